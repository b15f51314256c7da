"""The mirror of the model registry: one bad thing in it is noted, and the others are mirrored."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin import site

from django_app.registry import contract_usage, services
from django_app.registry.admin import ModelVersionAdmin
from django_app.registry.models import MirrorProblem, ModelVersion, Promotion
from hotclub import names
from hotclub.errors import RegistryError, RegistryNotFoundError, RegistryUnavailableError
from hotclub.model_registry import RegisteredModel, RegisteredVersion

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
NOW = dt.datetime(2013, 11, 1, tzinfo=dt.UTC)


class RegistryStub:
    """What the model registry would answer."""

    def __init__(self, *models: RegisteredModel) -> None:
        self.registered = list(models)
        self.of: dict[str, list[RegisteredVersion] | Exception] = {}
        self.runs: dict[str, dict[str, float] | Exception] = {}

    def models(self) -> list[RegisteredModel]:
        return self.registered

    def versions(self, model: str) -> list[RegisteredVersion]:
        found = self.of.get(model, [_version(model)])
        if isinstance(found, Exception):
            raise found
        return found

    def version(self, model: str, version: str) -> RegisteredVersion:
        return next(v for v in self.versions(model) if v.version == version)

    def metrics(self, run_id: str) -> dict[str, float]:
        found = self.runs.get(run_id, {"roc_auc": 0.8})
        if isinstance(found, Exception):
            raise found
        return found

    def experiment_id(self, run_id: str) -> str:
        return "1"


def _version(model: str, version: str = "1", **changes: Any) -> RegisteredVersion:
    values: dict[str, Any] = {
        "run_id": f"run-{model}-{version}",
        "source": "s",
        "tags": {names.TAG_FINGERPRINT: "f" * 64, names.TAG_CONTRACT_VERSION: "1", names.TAG_GATES: "passed"},
    }
    return RegisteredVersion(model, version, **{**values, **changes})


def _sync(registry: RegistryStub) -> None:
    services.versions_sync(registry=registry, now=NOW)  # type: ignore[arg-type]  # the part of it that is asked


BAD: dict[str, tuple[RegisteredVersion, str]] = {
    "a tag that is a digit to Python alone": (
        _version("bad", tags={names.TAG_CONTRACT_VERSION: "²"}),
        "hotclub.contract_version is '²'",
    ),
    "a tag of 20 digits": (
        _version("bad", tags={names.TAG_CONTRACT_VERSION: "9" * 20}),
        "not a version's number",
    ),
    "a tag of other digits": (
        _version("bad", tags={names.TAG_CONTRACT_VERSION: "\N{ARABIC-INDIC DIGIT ONE}"}),
        "not a version's number",
    ),
    "a version of 2 to the 31": (_version("bad", str(2**31)), "too large"),
    "a version of 20 digits": (_version("bad", "9" * 20), "too large"),
    "a NUL in the description": (_version("bad", description="a\0b"), "description has a NUL"),
    "a fingerprint that is none": (_version("bad", tags={names.TAG_FINGERPRINT: "f" * 65}), "too long"),
    "a long verdict of gates": (_version("bad", tags={names.TAG_GATES: "p" * 17}), "gates is too long"),
    "a long run": (_version("bad", run_id="r" * 65), "run_id is too long"),
    "a time after the year 9999": (_version("bad", created_at_ms=10**18), "is no time"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_version_is_noted_and_the_others_are_mirrored(case: str) -> None:
    """The model before it, the one after it and the good version of its own are there, aliases included."""
    version, words = BAD[case]
    registry = RegistryStub(
        RegisteredModel("aaa", {"champion": "1"}),
        RegisteredModel("bad", {"champion": "7"}),
        RegisteredModel("zzz", {"champion": "1"}),
    )
    registry.of["bad"] = [version, _version("bad", "7")]
    _sync(registry)
    good = ModelVersion.objects.filter(contract_version=1, deleted_at=None, aliases=["champion"])
    assert set(good.values_list("model_name", "version")) == {("aaa", 1), ("bad", 7), ("zzz", 1)}
    [problem] = MirrorProblem.objects.all()
    assert (problem.model_name, problem.version) == ("bad", version.version)
    assert words in problem.reason


def test_a_version_without_gates_is_shown_as_that() -> None:
    """In the mirror as MLflow's tag says it, and in the admin beside passed and failed."""
    registry = RegistryStub(RegisteredModel("late", {}))
    registry.of["late"] = [
        _version("late", str(number), tags={names.TAG_GATES: gates} if gates else {})
        for number, gates in enumerate((names.GATES_NONE, names.GATES_PASSED, ""), start=1)
    ]
    _sync(registry)
    shown = ModelVersionAdmin(ModelVersion, site)
    found = [shown.gates_label(version) for version in ModelVersion.objects.order_by("version")]
    assert found == ["none declared", "passed", "no verdict"]


BAD_MODELS = {
    "a name of 41 characters": (RegisteredModel("b" * 41), "41 characters"),
    "an alias of 65 characters": (RegisteredModel("bad", {"a" * 65: "1"}), "longer than 64"),
    "an alias that points to no number": (RegisteredModel("bad", {"champion": "²"}), "no version's number"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_bad_model_is_noted_and_the_others_are_mirrored(case: str) -> None:
    """A model of somebody else's hand stops nobody."""
    model, words = BAD_MODELS[case]
    _sync(RegistryStub(RegisteredModel("aaa"), model, RegisteredModel("zzz")))
    assert {"aaa", "zzz"} <= set(ModelVersion.objects.values_list("model_name", flat=True))
    assert [words in p.reason for p in MirrorProblem.objects.all()] == [True]


def test_a_search_that_fails_for_one_model_stops_nobody() -> None:
    """The others go on, and what was mirrored of it stays."""
    registry = RegistryStub(RegisteredModel("bad", {"champion": "1"}), RegisteredModel("zzz"))
    _sync(registry)
    registry.of["bad"] = RegistryError("MLflow answered 500: no")
    registry.of["zzz"] = [_version("zzz", "1"), _version("zzz", "2")]
    _sync(registry)
    assert ModelVersion.objects.filter(model_name="bad", aliases=["champion"], deleted_at=None).exists()
    assert ModelVersion.objects.filter(model_name="zzz").count() == 2
    assert "500" in MirrorProblem.objects.get().reason


def test_a_run_that_cannot_be_read_is_noted_and_one_that_is_gone_is_not() -> None:
    """Both versions are there; a deleted run is nobody's fault."""
    registry = RegistryStub(RegisteredModel("bad"), RegisteredModel("gone"), RegisteredModel("zzz"))
    registry.runs["run-bad-1"] = RegistryError("MLflow answered something unexpected")
    registry.runs["run-gone-1"] = RegistryNotFoundError("MLflow: no run")
    _sync(registry)
    assert set(ModelVersion.objects.values_list("model_name", flat=True)) == {"bad", "gone", "zzz"}
    assert [(p.model_name, p.version) for p in MirrorProblem.objects.all()] == [("bad", "1")]
    assert ModelVersion.objects.get(model_name="zzz").metrics == {"roc_auc": 0.8}


def test_metrics_that_are_no_numbers_are_kept_as_words() -> None:
    """JSON in PostgreSQL has no NaN; the others of the run are there."""
    registry = RegistryStub(RegisteredModel("late"))
    registry.runs["run-late-1"] = {"roc_auc": float("nan"), "rmse": float("inf"), "mae": 1.5}
    _sync(registry)
    assert ModelVersion.objects.get().metrics == {"roc_auc": "nan", "rmse": "inf", "mae": 1.5}


def test_what_is_put_right_goes_away_and_what_stays_keeps_its_time() -> None:
    """A person sees what is wrong now, and since when."""
    registry = RegistryStub(RegisteredModel("b" * 41), RegisteredModel("bad", {"champion": "²"}))
    _sync(registry)
    registry.registered = [RegisteredModel("bad", {"champion": "²"})]
    services.versions_sync(registry=registry, now=NOW + dt.timedelta(hours=1))  # type: ignore[arg-type]  # as above
    [problem] = MirrorProblem.objects.all()
    assert (problem.model_name, problem.noticed_at) == ("bad", NOW)


def test_a_model_that_was_deleted_is_in_use_no_longer() -> None:
    """Its aliases are gone with it, which is a promotion to nothing."""
    registry = RegistryStub(
        RegisteredModel("late", {"champion": "1"}), RegisteredModel("zzz", {"champion": "1"})
    )
    _sync(registry)
    registry.registered.pop(0)
    _sync(registry)
    late = ModelVersion.objects.get(model_name="late")
    assert (late.aliases, late.deleted_at) == ([], NOW)
    assert ModelVersion.objects.get(model_name="zzz").deleted_at is None
    assert Promotion.objects.filter(
        model_name="late", alias="champion", from_version=1, to_version=None
    ).exists()


def test_a_registry_that_is_down_changes_nothing() -> None:
    """It is not asked for every other model: each question would wait as long."""
    registry = RegistryStub(RegisteredModel("aaa"), RegisteredModel("zzz"))
    registry.of["aaa"] = RegistryUnavailableError("does not answer")
    with pytest.raises(RegistryError):
        _sync(registry)
    assert not ModelVersion.objects.exists()


class TestInUse:
    """Which contract versions are in use, as `migrate` asks."""

    @pytest.fixture
    def registry(self) -> RegistryStub:
        """Two models with a champion each, of which the mirror knows an older state."""
        made = RegistryStub(
            RegisteredModel("aaa", {"champion": "1"}), RegisteredModel("zzz", {"champion": "1"})
        )
        made.of["aaa"] = [_version("aaa", tags={names.TAG_FINGERPRINT: "a" * 64})]
        made.of["zzz"] = [_version("zzz", tags={names.TAG_FINGERPRINT: "z" * 64})]
        ModelVersion.objects.create(
            model_name="old",
            version=1,
            aliases=["champion"],
            contract_fingerprint="0" * 64,
            registered_at=NOW,
        )
        return made

    def test_the_registry_counts_and_not_the_mirror(self, registry: RegistryStub) -> None:
        """What it says is the whole truth; an alias that moved an hour ago is no reason."""
        used = contract_usage.in_use(registry)  # type: ignore[arg-type]  # the part of it that is asked
        assert (used.reasons, used.doubt) == (
            {"a" * 64: "serves as champion", "z" * 64: "serves as champion"},
            "",
        )

    def test_one_version_that_it_cannot_tell_brings_the_mirror_in(self, registry: RegistryStub) -> None:
        """The others are known all the same."""
        registry.of["aaa"] = RegistryError("MLflow answered 500")
        used = contract_usage.in_use(registry)  # type: ignore[arg-type]  # as above
        assert set(used.reasons) == {"z" * 64, "0" * 64}
        assert used.doubt == "MLflow answered 500"

    def test_it_has_so_long_and_no_longer(
        self, registry: RegistryStub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A registry that answers each question slowly does not hold a migration up."""
        monkeypatch.setattr(contract_usage, "DEADLINE_SECONDS", -1)
        used = contract_usage.in_use(registry)  # type: ignore[arg-type]  # as above
        assert set(used.reasons) == {"0" * 64}
        assert "took longer" in used.doubt
