"""docs/reference/parameters.md: what `MLModel.parameters` may hold."""

from __future__ import annotations

from generator.source_code import cell, code, page, table
from hotclub import objectives, parameters


def parameters_page() -> str:
    """Return the page of XGBoost's parameters and objectives, and of Hotclub's own."""
    names = {first: other for other, first in parameters.ALIASES.items()}
    own = [
        [
            code(parameters.ROUNDS),
            "rounds of boosting at most",
            "a whole number of at least 1",
            str(parameters.DEFAULT_ROUNDS),
        ],
        [
            code(parameters.EARLY_STOPPING),
            "rounds without a better stopping split before the fit ends; None fits every round",
            "a whole number of at least 1, or None",
            str(parameters.DEFAULT_EARLY_STOPPING),
        ],
    ]
    xgboost = [
        [code(name), code(names[name]) if name in names else "", _values(rule), _read_with(name)]
        for name, rule in parameters.ALLOWED.items()
    ]
    listed = [
        [code(name), known.task, cell(known.label), "yes" if objectives.DEFAULTS[known.task] == name else ""]
        for name, known in objectives.ALLOWED.items()
    ]
    metrics = [[task, ", ".join(map(code, names))] for task, names in parameters.EVAL_METRICS.items()]
    refused = {**objectives.REFUSED, **parameters.REFUSED}
    return page(
        "# Parameters\n",
        "What `parameters` of an [MLModel](declarations.md#mlmodel) may hold.",
        "[XGBoost's documentation](https://xgboost.readthedocs.io/en/stable/parameter.html) says what each of its own does.",
        "`makecontracts` refuses a name or value that is not here, and a parameter that the others leave without effect.\n",
        "## Of Hotclub\n",
        *table(["parameter", "what it is", "values", "default"], own),
        "## Of XGBoost\n",
        *table(["parameter", "also called", "values", "only with"], xgboost),
        "Two more name features:\n",
        *table(
            ["parameter", "values"],
            [
                [code(parameters.MONOTONE), "a dict of feature and 1 (rising), -1 (falling) or 0"],
                [code(parameters.INTERACTION), "a list of lists of features that may be used together"],
            ],
        ),
        "## objective\n",
        *table(["objective", "task", "labels", "default"], listed),
        "## eval_metric\n",
        "For early stopping; of a list the last one stops.\n",
        *table(["task", "metrics"], metrics),
        "## What is refused\n",
        *table(["name", "why"], [[code(name), cell(reason)] for name, reason in refused.items()]),
    )


def _values(rule: parameters.Number | parameters.Choice) -> str:
    """Return the values in the words of the rule's own message."""
    wanted = (rule.error(object()) or "").removeprefix("must be ").partition(", got <object")[0]
    return cell(wanted.replace(f" and at most {2**31 - 1:g}", ""))


def _read_with(name: str) -> str:
    key, value = parameters.READ_WITH.get(name, ("", ""))
    return code(f"{key} = {value}") if key else ""
