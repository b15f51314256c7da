"""What makecontracts would write: a version, a revision of the policy, or nothing. Needs no database."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Value

from django_app import conf
from django_app.contracts import changes
from django_app.flights.ml import FEATURES, ArrivalDelay
from hotclub import contract_files
from hotclub.declarations import Number, models, sources

NAMES = {"flight_schedule", "flight_outcome", "arrival_delay", "arrival_minutes"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of contract files, of the declarations that there are."""
    assert {*models, *sources} == NAMES
    for module in (changes, conf):
        monkeypatch.setattr(module, "contracts_root", lambda app: tmp_path / app)
    return tmp_path / "flights"


def _write() -> None:
    for change in changes.pending():
        contract_files.write(change.contract, change.root)


def _change() -> Any:
    (change,) = changes.pending()
    return change


def test_what_has_no_file_is_new(root: Path) -> None:
    """The first version and revision of each, in the folder of its app; once they are written, nothing is."""
    found = changes.pending()
    assert {c.contract.name for c in found} == NAMES
    assert {(c.contract.version, c.contract.policy_revision, c.root, c.reason) for c in found} == {
        (1, 1, root, "new")
    }
    _write()
    assert changes.pending() == []
    assert {path.parent.name for path in root.glob("*/0001.json")} == NAMES


def test_a_changed_policy_is_a_revision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version stays, and so does its fingerprint: nothing is trained anew."""
    _write()
    before = contract_files.read_newest(root / "arrival_delay")
    for revision, gate in ((2, 0.71), (3, 0.72)):
        monkeypatch.setattr(ArrivalDelay, "gates", {"roc_auc": gate})
        change = _change()
        assert (change.contract.version, change.contract.policy_revision) == (1, revision)
        assert change.contract.fingerprint == before.fingerprint
        assert change.contract.policy.gates == {"roc_auc": gate}
        assert change.reason == "policy changed; nothing is retrained"
        _write()
        assert changes.pending() == []


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("horizon", dt.timedelta(hours=2), "horizon_seconds"),
        ("timezone", "Europe/Berlin", "timezone"),
        ("features", {**FEATURES, "one": Number(Value(1.0))}, "+one"),
        ("features", {k: v for k, v in FEATURES.items() if k != "distance"}, "-distance"),
        ("features", {**FEATURES, "distance": Number("distance", unit="km", minimum=0)}, "~distance"),
        (
            "features",
            {"one": Number(Value(1.0)), **{k: v for k, v in FEATURES.items() if k != "distance"}},
            "+one, -distance",
        ),
        ("features", {**FEATURES, "distance": Number(Value(1.0), unit="mi", minimum=0, doc=FEATURES["distance"].doc)}, "the view's SQL"),
    ],
)  # fmt: skip
def test_a_changed_schema_is_a_version(
    root: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, value: Any, reason: str
) -> None:
    """The next one, with a policy that begins anew, and what differs in words."""
    _write()
    monkeypatch.setattr(ArrivalDelay, attribute, value)
    if attribute == "timezone":  # its source's days begin elsewhere then
        monkeypatch.setattr(ArrivalDelay, "score_on", None)
    change = _change()
    assert (change.contract.name, change.contract.version, change.contract.policy_revision) == (
        "arrival_delay", 2, 1,
    )  # fmt: skip
    assert change.reason == f"schema changed: {reason}"
    _write()
    assert changes.pending() == []


def test_folders_are_each_named_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the apps that declare anything, then those of the environment, without repeating one."""
    other = root.parent / "other"
    monkeypatch.setattr(conf.contract_files, "folders", lambda: [other, root])
    assert conf.contract_roots() == [root.resolve(), other.resolve()]
