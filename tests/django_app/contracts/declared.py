"""Declares a model for the length of one test, as a shop's ``ml.py`` would."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hotclub.declarations import MLModel, Number, Source
from tests.django_app.contracts.cases.tables import Order

#: A module of an app that is installed: a contract belongs to an app.
MODULE = "django_app.flights.ml"


def model(class_name: str = "Wrong", /, **attributes: Any) -> type[MLModel]:
    """Return a declared model: a binary one of orders with one number, but for what is given. ``...`` leaves one out."""
    body: dict[str, Any] = {
        "rows": Order.objects.all(), "event_time": "placed_at", "horizon": dt.timedelta(0), "label": "gift",
        "task": "binary", "metric": "roc_auc", "features": {"total": Number("total")},
    }  # fmt: skip
    if attributes.get("event_time", "") is None:
        del body["horizon"]
    task = attributes.get("task") if isinstance(attributes.get("task"), str) else ""
    if task == "regression":
        body |= {"metric": "rmse", "label": "total"}
    if task == "multiclass":
        body |= {"metric": "accuracy", "label": "species"}
    declared = {**body, **attributes}
    declared = {name: value for name, value in declared.items() if value is not ...}
    return type(class_name, (MLModel,), {"__module__": MODULE, **declared})


def source(class_name: str = "Orders", /, **attributes: Any) -> type[Source]:
    """Return a declared source of orders, but for what is given."""
    body: dict[str, Any] = {"model": Order, "natural_key": ("number",), "columns": {"number": "number"}}
    return type(class_name, (Source,), {"__module__": MODULE, **body, **attributes})
