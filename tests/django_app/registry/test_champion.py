"""Which version new work is tied to, asked of a real MLflow; and whose predictor a worker keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_app.contracts.models import ContractVersion
from django_app.registry import selectors as registry
from hotclub import names
from hotclub.errors import RegistryError

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture(scope="module")
def registered(mlflow_url: str) -> Callable[..., str]:
    """A function that registers one more version of a model in MLflow, with tags, and makes it champion."""
    import mlflow

    client = mlflow.MlflowClient(mlflow_url)

    def make(model: str, *, champion: bool = True, **tags: str) -> str:
        if not client.search_registered_models(f"name='{model}'"):
            client.create_registered_model(model)
        run = client.create_run("0").info
        source = f"{run.artifact_uri}/model"
        version = client.create_model_version(model, source, run.run_id, tags=tags).version
        if champion:
            client.set_registered_model_alias(model, names.ALIAS_CHAMPION, version)
        return str(version)

    return make


@pytest.fixture(autouse=True)
def _mlflow(settings: Any, mlflow_url: str) -> None:
    settings.HOTCLUB_MLFLOW_URL = mlflow_url


def _tags(**changes: str | None) -> dict[str, str]:
    row = ContractVersion.objects.filter(name="arrival_delay").latest("version")
    tags = {
        names.TAG_GATES: names.GATES_PASSED, names.TAG_DIGEST: "ab" * 32, names.TAG_FINGERPRINT: row.fingerprint,
    }  # fmt: skip
    names_of = {"gates": names.TAG_GATES, "digest": names.TAG_DIGEST, "fingerprint": names.TAG_FINGERPRINT,
                "override": names.TAG_OVERRIDE}  # fmt: skip
    tags |= {names_of[name]: value for name, value in changes.items() if value is not None}
    return {k: v for k, v in tags.items() if k not in {names_of[n] for n, v in changes.items() if v is None}}


def test_the_champion_is_pinned_with_its_contract(registered: Callable[..., str]) -> None:
    """Version, digest and contract of the moment are the columns of new work."""
    version = registered("arrival_delay", **_tags())
    ref = registry.champion("arrival_delay")
    fields = ref.columns()
    assert (fields["model_version"], fields["package_digest"]) == (version, "ab" * 32)
    assert fields["contract_fingerprint"] == ref.contract.fingerprint == _tags()[names.TAG_FINGERPRINT]
    newer = registered("arrival_delay", champion=False, **_tags())
    assert registry.champion("arrival_delay").registered.version == version != newer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gates": names.GATES_FAILED}, "gates: failed"),
        ({"gates": None}, "gates: no verdict"),
        (
            {"gates": names.GATES_NONE},
            "gates: none declared; no gate has measured this version: declare gates",
        ),
        ({"gates": names.GATES_FAILED, "override": " "}, "gates: failed"),
        ({"digest": None}, "has no package"),
        ({"fingerprint": "0" * 64}, "is not known here"),
    ],
)
def test_a_champion_that_may_not_be_used_is_none(
    registered: Callable[..., str], changes: dict[str, str | None], words: str
) -> None:
    """The alias alone is not enough: gates, package and contract are looked at, here as at the endpoint."""
    registered("arrival_delay", **_tags(**changes))
    with pytest.raises(registry.NoChampionError, match=words):
        registry.champion("arrival_delay")


def test_a_reasoned_override_is_enough(registered: Callable[..., str]) -> None:
    """A person said why."""
    version = registered("arrival_delay", **_tags(gates=names.GATES_FAILED, override="holidays"))
    assert registry.champion("arrival_delay").registered.version == version


def test_without_alias_and_without_model(registered: Callable[..., str]) -> None:
    """Both are reported with what to do."""
    registered("arrival_minutes", champion=False, **_tags())
    for model in ("arrival_minutes", "nobody"):
        with pytest.raises(registry.NoChampionError, match=f"{model} has no champion: train it"):
            registry.champion(model)


def test_a_registry_that_is_away_is_another_matter(settings: Any) -> None:
    """It passes, so it is no missing champion."""
    settings.HOTCLUB_MLFLOW_URL = "http://127.0.0.1:9"
    with pytest.raises(RegistryError, match="does not answer"):
        registry.champion("arrival_delay")
