"""MLflow's own way into a package, on a frame of pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hotclub.pyfunc import _load_pyfunc
from tests.factories import make_rows


def test_pandas_own_missing_value_is_missing(small_package: Path) -> None:
    """A frame with nullable dtypes gives the scores of None."""
    rows = make_rows(40, seed=5).select(["carrier", "hour", "wind_speed", "holiday"])
    plain, nullable = rows.to_pandas(), rows.to_pandas().convert_dtypes()
    assert nullable["holiday"].dtype == pd.BooleanDtype()
    assert nullable["holiday"].isna().any()
    model = _load_pyfunc(str(small_package))
    np.testing.assert_array_equal(model.predict(plain), model.predict(nullable))


def test_a_nullable_feature_may_be_left_out(small_package: Path) -> None:
    """It is missing in every row, as at the endpoint."""
    frame = make_rows(40, seed=5).select(["carrier", "hour", "wind_speed", "holiday"]).to_pandas()
    model = _load_pyfunc(str(small_package))
    without, none = frame.drop(columns=["holiday"]), frame.assign(holiday=None)
    np.testing.assert_array_equal(model.predict(without), model.predict(none))
