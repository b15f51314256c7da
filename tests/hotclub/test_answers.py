"""The form of answers: numbers, or labels with probabilities by class."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from hotclub import answers, names, package
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, PackageError
from hotclub.predictor import Predictor
from hotclub.pyfunc import _load_pyfunc
from tests.factories import make_contract, make_package, make_rows

PENGUINS = ("Adelie", "Gentoo", "Chinstrap")
MULTICLASS: dict[str, Any] = {
    "task": "multiclass", "classes": PENGUINS, "metric": "accuracy", "gates": {},
    "parameters": {"num_boost_round": 5},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "scores", "expected"),
    [
        ({}, [0.25, 0.5], [0.25, 0.5]),
        ({"task": "regression"}, [12.5], [12.5]),
        ({"task": "regression", "classes": ("a", "b")}, [12.5], [12.5]),
        ({"task": "multiclass"}, [[0.2, 0.8]], [[0.2, 0.8]]),
        (
            {"classes": ("no", "yes")},
            [0.25, 0.5, 0.75],
            [
                {"label": "no", "probabilities": {"no": 0.75, "yes": 0.25}},
                {"label": "yes", "probabilities": {"no": 0.5, "yes": 0.5}},
                {"label": "yes", "probabilities": {"no": 0.25, "yes": 0.75}},
            ],
        ),
        (
            {"task": "multiclass", "classes": PENGUINS},
            [[0.1, 0.2, 0.7], [0.4, 0.4, 0.2]],
            [
                {"label": "Chinstrap", "probabilities": {"Adelie": 0.1, "Gentoo": 0.2, "Chinstrap": 0.7}},
                {"label": "Adelie", "probabilities": {"Adelie": 0.4, "Gentoo": 0.4, "Chinstrap": 0.2}},
            ],
        ),
        ({"classes": ("no", "yes")}, [], []),
    ],
)
def test_answers(changes: dict[str, Any], scores: list[Any], expected: list[Any]) -> None:
    """A number without classes; with them the most probable one, the first of equals, and every probability by name."""
    assert answers.of_scores(make_contract(**changes), scores) == expected


@pytest.mark.parametrize(
    ("classes", "score", "text"),
    [
        ((), 0.25, "0.2500"),
        ((), [0.25, 0.75], "0.2500, 0.7500"),
        (("no", "yes"), 0.25, "no (no 0.7500, yes 0.2500)"),
        (PENGUINS, [0.2, 0.7, 0.1], "Gentoo (Adelie 0.2000, Gentoo 0.7000, Chinstrap 0.1000)"),
    ],
)
def test_texts_for_people(classes: tuple[str, ...], score: answers.Score, text: str) -> None:
    """The label first, then every probability."""
    assert answers.as_text(classes, score) == text


@pytest.mark.parametrize(
    ("classes", "score"),
    [(PENGUINS, 0.5), (("a",), 0.5), (PENGUINS, [0.5, 0.5]), (("a", "b"), [0.2, 0.2, 0.6])],
)
def test_a_number_under_another_class_s_name_is_worse_than_none(
    classes: tuple[str, ...], score: answers.Score
) -> None:
    """As many classes as probabilities, or no answer."""
    with pytest.raises(ContractError, match="classes"):
        answers.labelled(classes, score)


@pytest.mark.parametrize(
    ("classes", "score"),
    [
        (("no", "yes"), math.nan),
        (("no", "yes"), math.inf),
        (PENGUINS, [math.nan, 0.5, 0.5]),
        (PENGUINS, [0.5, 0.5, math.nan]),
        (PENGUINS, [math.inf, 0.0, 0.0]),
    ],
)
def test_what_is_no_finite_number_has_no_label(classes: tuple[str, ...], score: answers.Score) -> None:
    """Compared with one, every class is and is not the most probable."""
    with pytest.raises(ContractError, match="not a finite number"):
        answers.labelled(classes, score)


@pytest.mark.parametrize("classes", [("a",), PENGUINS])
def test_a_binary_model_has_two_classes_or_none(classes: tuple[str, ...]) -> None:
    """Anything else is a contract that nobody can answer by."""
    with pytest.raises(ContractError, match=f"two classes or none, not {len(classes)}"):
        answers.class_names(make_contract(classes=classes))


def _matches(schema: dict[str, Any], value: Any) -> bool:
    """Return whether a value has the schema's form, by the keywords that are used here."""
    if schema["type"] == "number":
        return isinstance(value, float) and schema.get("minimum", value) <= value <= schema.get(
            "maximum", value
        )
    if schema["type"] == "array":
        return isinstance(value, list) and all(_matches(schema["items"], item) for item in value)
    if schema["type"] == "string":
        return value in schema["enum"]
    return set(value) == set(schema["properties"]) == set(schema["required"]) and all(
        _matches(schema["properties"][name], part) for name, part in value.items()
    )


@pytest.mark.parametrize(
    ("changes", "scores"),
    [
        ({}, [0.25]),
        ({"task": "regression"}, [-12.5]),
        ({"task": "multiclass"}, [[0.2, 0.8]]),
        ({"classes": ("no", "yes")}, [0.25]),
        ({"task": "multiclass", "classes": PENGUINS}, [[0.1, 0.2, 0.7]]),
    ],
)
def test_the_schema_is_that_of_the_answers(changes: dict[str, Any], scores: list[Any]) -> None:
    """What OpenAPI promises is what is answered, in JSON."""
    contract = make_contract(**changes)
    (answer,) = json.loads(json.dumps(answers.of_scores(contract, scores)))
    assert _matches(answers.json_schema(contract), answer)


def test_the_schema_says_which_label_it_is() -> None:
    """From which probability on, and the names in their order."""
    label = answers.json_schema(make_contract(classes=("no", "yes")))["properties"]["label"]
    assert label == {
        "type": "string", "enum": ["no", "yes"], "description": "yes from a probability of 0.5, else no.",
    }  # fmt: skip


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of three classes."""
    folder = tmp_path_factory.mktemp("penguins") / "package"
    make_package(folder, make_contract("species", **MULTICLASS))
    return folder


class TestPackages:
    """A package whose scores are not as many as its classes must not serve."""

    @pytest.mark.parametrize("classes", [PENGUINS[:2], (*PENGUINS, "Emperor")])
    def test_refused_at_its_load(self, penguins: Path, classes: tuple[str, ...]) -> None:
        """With both numbers; else a label would be another class's."""
        read = package.read(penguins)
        contract = dataclasses.replace(
            read.contract, schema=dataclasses.replace(read.contract.schema, classes=classes)
        )
        with pytest.raises(ContractError, match=f"names {len(classes)} classes .* and a row has 3"):
            Predictor.load(dataclasses.replace(read, contract=contract))

    @pytest.mark.parametrize("margin", [np.nan, np.inf])
    def test_a_score_that_is_no_finite_number_is_refused(
        self, penguins: Path, margin: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The rows are counted and the first is named; JSON could not hold such an answer."""
        predictor = Predictor.load(package.read(penguins))
        margins = np.zeros((4, 3), dtype=np.float32)
        margins[2, 1] = margins[3, 0] = margin
        monkeypatch.setattr(predictor, "engine", SimpleNamespace(margins=lambda _: margins))
        rows = make_rows(4, task="multiclass")
        with pytest.raises(
            PackageError, match="species gives no finite score for 2 of 4 rows, the first of them row 2"
        ):
            predictor.predict(rows)

    def test_a_link_that_overflows_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A count's link is exp: a margin of 800 would be infinite."""
        parameters = {"objective": "count:poisson"}
        contract = make_contract("count", task="regression", metric="mae", gates={}, parameters=parameters)
        rows = make_rows(task="regression")
        place = rows.schema.get_field_index(names.COLUMN_LABEL)
        counts = pc.abs(rows[names.COLUMN_LABEL])
        make_package(tmp_path / "package", contract, rows.set_column(place, names.COLUMN_LABEL, counts))
        predictor = Predictor.load(package.read(tmp_path / "package"))
        for margin, fails in ((700, False), (800, True)):
            margins = np.array([margin], dtype=np.float32)
            monkeypatch.setattr(predictor, "engine", SimpleNamespace(margins=lambda _, m=margins: m))
            with pytest.raises(PackageError, match="1 of 1 rows") if fails else nullcontext():
                predictor.predict(make_rows(1, task="regression"))

    def test_two_classes_with_three_scores(self, penguins: Path) -> None:
        """A binary contract over a multiclass booster."""
        read = package.read(penguins)
        schema = dataclasses.replace(read.contract.schema, task="binary", classes=("no", "yes"))
        policy = dataclasses.replace(read.contract.policy, parameters={})
        contract = dataclasses.replace(read.contract, schema=schema, policy=policy)
        with pytest.raises((ContractError, PackageError), match="takes 1 scores for a row, and a row has 3"):
            Predictor.load(dataclasses.replace(read, contract=contract))

    def test_mlflow_gets_numbers_and_the_names_beside_them(self, penguins: Path) -> None:
        """Its evaluation and signatures want numbers; the order of the columns is that of the names."""
        model = _load_pyfunc(str(penguins))
        rows = make_rows(20, task="multiclass")
        frame = rows.select(["carrier", "hour", "wind_speed", "holiday"]).to_pandas()
        assert model.predict(frame).shape == (20, 3)
        assert model.classes == PENGUINS
        contract: ModelContract = package.read(penguins).contract
        best = model.predict(frame).argmax(axis=1)
        found = answers.of_scores(contract, model.predict(frame).tolist())
        assert [a["label"] for a in found] == [PENGUINS[i] for i in best]  # type: ignore[index,call-overload]
