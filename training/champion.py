"""The champion on the rows that a candidate is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.cache import PackageCache
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError, NotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.predictor import Predictor
from training.evaluate import align
from training.settings import TrainingSettings
from training.snapshot import Interval, read_view


@dataclass(frozen=True)
class Champion:
    """What the champion says of the same rows; `scores` is None when it cannot say, with the reason."""

    version: str | None
    scores: npt.NDArray[np.float64] | None
    reason: str = ""


def score(settings: TrainingSettings, contract: ModelContract, evaluation: pa.Table) -> Champion:
    """Score the evaluation rows with the champion, under the champion's own contract.

    An older contract has other features: they are read from its own view, for the same entities.

    Raises:
        RegistryError: MLflow does not answer. A champion that cannot score is a reason, not an error.
    """
    registry = MlflowRegistry(settings.mlflow_url)
    try:
        version = registry.version_by_alias(contract.name, names.ALIAS_CHAMPION)
    except NotFoundError:
        registry.close()
        return Champion(None, None, "there is no champion yet")
    try:
        predictor = Predictor.load(
            PackageCache(settings.cache, registry).fetch(version), threads=settings.training_threads
        )
        rows = _rows(settings, contract, predictor.contract, evaluation)
        if rows is None:
            return Champion(version.version, None, "its view lacks some of the rows")
        return Champion(version.version, predictor.predict(rows).scores)
    except (HotclubError, psycopg.Error) as error:
        return Champion(version.version, None, str(error).splitlines()[0])
    finally:
        registry.close()


def _rows(
    settings: TrainingSettings, candidate: ModelContract, champion: ModelContract, evaluation: pa.Table
) -> pa.Table | None:
    if champion.fingerprint == candidate.fingerprint:
        return evaluation
    if champion.schema.task != candidate.schema.task:
        return None
    start = pc.min(evaluation[names.COLUMN_EVENT_TIME]).as_py()
    table = read_view(settings.reader_database_url.get_secret_value(), champion, Interval(start=start))
    return align(table, evaluation[names.COLUMN_ENTITY])
