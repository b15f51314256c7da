"""Expectations on a training snapshot, planned from its model's contract: key columns, label and every feature."""

from __future__ import annotations

from data_checks import message_text
from data_checks.expectation_plan import PlannedExpectation, Planner
from hotclub import names
from hotclub.columns import FLOAT32_MAX
from hotclub.contract import FeatureSpec, ModelContract


def snapshot_suite(contract: ModelContract) -> list[PlannedExpectation]:
    """Return every expectation on a training snapshot."""
    planner = Planner()
    entity = names.COLUMN_ENTITY
    planned = [
        planner.plan("ExpectTableRowCountToBeBetween", {"min_value": 1}, "the snapshot must have rows"),
        planner.not_null(entity),
        planner.plan("ExpectColumnValuesToBeUnique", {"column": entity}, f"{entity} must be unique"),
        # Rows without a time have a null there.
        *([] if contract.schema.event_time is None else [planner.not_null(names.COLUMN_EVENT_TIME)]),
        *_label(planner, contract),
    ]
    for feature in contract.features:
        planned += _feature(planner, feature)
    return planned


def _fits(planner: Planner, what: str, column: str) -> PlannedExpectation:
    """Plan that a column's numbers are finite in the booster's own size; a missing one passes."""
    arguments = {"column": column, "min_value": -FLOAT32_MAX, "max_value": FLOAT32_MAX}
    describes = f"{what} must be a finite number that a model can hold (at most 3.4e38 in size)"
    return planner.plan("ExpectColumnValuesToBeBetween", arguments, describes)


def _label(planner: Planner, contract: ModelContract) -> list[PlannedExpectation]:
    column = names.COLUMN_LABEL
    planned = [planner.not_null(column)]
    task, classes = contract.schema.task, contract.schema.classes
    if task == "regression":
        return [*planned, _fits(planner, column, column)]
    values = [float(value) for value in range(2 if task == "binary" else max(len(classes), 2))]
    described = f"{column} must be one of {message_text.listed(values)}"
    if classes:
        described += (
            f", which stand for {message_text.listed(classes)}; any other value has no place among `classes`"
        )
    return [
        *planned,
        planner.plan("ExpectColumnValuesToBeInSet", {"column": column, "value_set": values}, described),
        planner.plan(
            "ExpectColumnUniqueValueCountToBeBetween",
            {"column": column, "min_value": 2},
            f"{column} must have at least two different values",
        ),
    ]


def _feature(planner: Planner, feature: FeatureSpec) -> list[PlannedExpectation]:
    planned = [] if feature.nullable else [planner.not_null(feature.name)]
    if feature.type == "number":
        planned.append(_fits(planner, f"feature {feature.name}", feature.name))
    planned += planner.between(feature.name, feature.minimum, feature.maximum, feature.unit)
    if feature.pattern is not None:
        arguments = {"column": feature.name, "regex": rf"^(?:{feature.pattern})\Z"}
        describes = f"{feature.name} must match the pattern {message_text.cut(feature.pattern, 2 * message_text.MAX_SHORT_TEXT)}"
        planned.append(planner.plan("ExpectColumnValuesToMatchRegex", arguments, describes))
    return planned
