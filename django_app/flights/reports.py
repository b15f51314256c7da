"""How good the batch scores of a day were, once its flights have landed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from django.db import connection
from psycopg import sql

from django_app.contracts.selectors import contract_by_fingerprint
from django_app.scoring.models import Batch
from hotclub import names, quality
from hotclub.contract import ModelContract

#: What the report says, by the model's task.
_METRICS = {"binary": ("roc_auc", "brier"), "regression": ("mae", "rmse")}


def day_scores(day: dt.date) -> dict[str, dict[str, Any]]:
    """Return, per model, how the scores of a day's newest batches compare with what was flown.

    Each metric comes with the baseline's: the mean label of what went before that day, by the contract's
    ``baseline_by``. Metrics are absent where no outcome is known yet.
    """
    report = {}
    done = Batch.objects.filter(day=day, rows_of=Batch.RowsOf.INTERVAL, status=Batch.Status.DONE)
    models = done.values_list("model_name", flat=True)
    for model_name in sorted(set(models)):
        newest = done.filter(model_name=model_name).order_by("tenant_id", "-created_at").distinct("tenant_id")
        batches = list(newest)
        contract = contract_by_fingerprint(model_name, batches[0].contract_fingerprint)
        report[model_name] = _model_scores(contract, batches)
    return report


def _model_scores(contract: ModelContract, batches: list[Batch]) -> dict[str, Any]:
    statement = _statement(contract)
    start = min(batch.start for batch in batches if batch.start is not None)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"batches": [batch.pk for batch in batches], "start": start})
        rows = cursor.fetchall()
    known = np.array([row for row in rows if row[1] is not None], dtype=float).reshape(-1, 3)
    report: dict[str, Any] = {
        "versions": sorted({batch.model_version for batch in batches}),
        "rows_scored": len(rows),
        "rows_with_outcome": len(known),
    }
    if len(known):
        score, label, baseline = known.T
        task = contract.schema.task
        report |= quality.measure(task, label, score, _METRICS[task])
        of_baseline = quality.measure(task, label, baseline, _METRICS[task])
        report |= {f"baseline_{name}": value for name, value in of_baseline.items()}
    return report


def _statement(contract: ModelContract) -> sql.Composed:
    """Return score, label and baseline of each scored row."""
    keys = contract.policy.baseline_by
    listed = sql.SQL(", ").join(map(sql.Identifier, keys)) if keys else sql.SQL("1")
    same = [sql.SQL("b.{0} IS NOT DISTINCT FROM v.{0}").format(sql.Identifier(key)) for key in keys]
    return sql.SQL(
        "WITH past AS MATERIALIZED (SELECT {columns} label FROM {view} WHERE event_time < %(start)s AND label IS NOT NULL),"
        " groups AS (SELECT {columns} avg(label) AS mean FROM past GROUP BY {listed})"
        " SELECT p.score, v.label, coalesce(b.mean, (SELECT avg(label) FROM past), 0)"
        " FROM scoring_prediction p JOIN {view} v ON v.entity = p.entity::{type}"
        " LEFT JOIN groups b ON {same} WHERE p.batch_id = ANY(%(batches)s)"
    ).format(
        columns=listed + sql.SQL(", ") if keys else sql.SQL(""),
        view=sql.Identifier(names.SCHEMA_FEATURES, names.view_name(contract.name, contract.version)),
        listed=listed,
        type=sql.SQL(contract.schema.entity_type),  # a contract's own word
        same=sql.SQL(" AND ").join(same) if same else sql.SQL("true"),
    )
