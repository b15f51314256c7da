"""One feature added to ``ml.py``, through the real services."""

from __future__ import annotations

import pytest

from hotclub import names
from tests.e2e.conftest import MODEL
from tests.live import LiveStack, wait_until

pytestmark = pytest.mark.e2e


def _documented(live: LiveStack) -> str:
    return live.endpoint.get(f"{live.url('serving')}/openapi.json").text


def test_new_feature_reaches_the_endpoint(first_day: LiveStack) -> None:
    """makecontracts, migrate, Airflow, MLflow, promote: the endpoint's OpenAPI shows it, and until then the old version serves."""
    live = first_day
    ml = live.folder / "django_app" / "flights" / "ml.py"
    text = ml.read_text()
    assert "FEATURES: dict[str, Feature] = {" in text
    added = 'FEATURES: dict[str, Feature] = {\n    "flight_number": Number("number", minimum=1, doc="as on the ticket"),'
    ml.write_text(text.replace("FEATURES: dict[str, Feature] = {", added, 1))
    assert "+flight_number" in live.must("manage", "makecontracts")
    assert "ml_arrival_delay_v2" in live.must("manage", "migrate")
    version = live.train(MODEL, "with-flight-number")
    assert live.registry.version(MODEL, version).tags[names.TAG_CONTRACT_VERSION] == "2"
    assert live.model(MODEL)["version"] == "1"
    assert "flight_number" not in _documented(live)
    live.registry.set_alias(MODEL, names.ALIAS_CHAMPION, version)
    wait_until("the new version", lambda: live.model(MODEL)["version"] == version, 30)
    assert "as on the ticket" in _documented(live)
    batch = live.batch(model=MODEL, day="2013-11-01", tenant="EWR")
    assert (batch["status"], batch["model_version"]) == ("done", version)
