"""Models of a stranger's project, as sources load into them: registered for a test, with tables that go with it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models.functions import Now, Upper

from django_app.tenants.models import Tenant

_numbers = itertools.count(1)


def next_token() -> str:
    """Return another text at each call."""
    return f"token {next(_numbers)}"


def next_number() -> int:
    """Return another number at each call."""
    return next(_numbers)


class LowerCaseField(models.CharField):
    """A field that changes values on their way into the database."""

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as it is stored."""
        return value if value is None else value.lower()


def _tenant(**options: Any) -> Any:
    # A temporary table may not refer to a permanent one.
    return models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, **options)


def _model(
    name: str, *, meta: dict[str, Any] | None = None, bases: tuple[type, ...] = (), **fields: Any
) -> Any:
    inner = type("Meta", (), {"app_label": "flights"} | (meta or {}))
    body = {"__module__": __name__, "Meta": inner, "__str__": lambda self: str(self.pk)}
    return type(name, bases or (models.Model,), body | fields)


def _unique(*fields: str, **options: Any) -> models.UniqueConstraint:
    return models.UniqueConstraint(fields=fields, name=f"once_{'_'.join(fields)}", **options)


def _places() -> dict[str, Any]:
    """Return tables that others refer to."""
    region = _model("Region", code=models.CharField(max_length=4, primary_key=True))
    station = _model(
        "Station",
        code=models.CharField(max_length=8, unique=True),
        number=models.SmallIntegerField(unique=True, null=True),
        opened=models.DateField(unique=True, null=True),
        label=models.CharField(max_length=20),
        slug=models.CharField(max_length=20, blank=True),
        street=models.CharField(max_length=20, blank=True),
        region=models.ForeignKey(region, models.CASCADE, null=True, related_name="stations"),
        tenant=_tenant(null=True),
        meta={
            "constraints": (
                _unique("slug", condition=~models.Q(slug="")),
                _unique("label"),
                _unique("street", "region"),
            )
        },
    )
    return {"Region": region, "Station": station}


def _readings(station: Any) -> Any:
    return _model(
        "Reading",
        id=models.UUIDField(primary_key=True, default=uuid.uuid4),
        station=models.ForeignKey(station, models.CASCADE, null=True, related_name="readings"),
        backup=models.ForeignKey(station, models.CASCADE, null=True, blank=True, related_name="+"),
        loose=models.ForeignKey(station, models.CASCADE, null=True, db_constraint=False, related_name="+"),
        near=models.ManyToManyField(station, related_name="+"),
        day=models.DateField(),
        taken_at=models.DateTimeField(null=True),
        value=models.FloatField(null=True, validators=[MinValueValidator(-90), MaxValueValidator(60)]),
        count=models.IntegerField(default=7),
        level=models.IntegerField(null=True, choices=[(1, "low"), (2, "high")]),
        state=models.CharField(max_length=8, default="new", choices=[("new", "New"), ("Größe", "Size")]),
        valid=models.BooleanField(default=True, choices=[(True, "Yes"), (False, "No")]),
        price=models.DecimalField(max_digits=6, decimal_places=2, null=True),
        uid=models.UUIDField(null=True),
        note=models.CharField(max_length=20, blank=True),
        token=models.CharField(max_length=20, default=next_token),
        created_at=models.DateTimeField(auto_now_add=True),
        changed_at=models.DateTimeField(auto_now=True),
        stamped_at=models.DateTimeField(db_default=Now()),
        loud=models.GeneratedField(
            expression=Upper("note"), output_field=models.CharField(max_length=20), db_persist=True
        ),
        extra=models.JSONField(default=dict),
        tags=ArrayField(models.CharField(max_length=5), default=list),
        took=models.DurationField(null=True),
        mail=LowerCaseField(max_length=40, blank=True),
        meta={"constraints": (_unique("station", "day", nulls_distinct=False), _unique("uid"))},
    )


def _others(reading: Any) -> dict[str, Any]:
    """Return models that are no table of their own, or lack something."""
    return {
        "Abstract": _model("Abstract", meta={"abstract": True}, code=models.IntegerField()),
        "Proxy": _model("Proxy", bases=(reading,), meta={"proxy": True}),
        "Swapped": _model("Swapped", meta={"swappable": "AUTH_USER_MODEL"}, code=models.IntegerField()),
        "Quoted": _model("Quoted", meta={"db_table": 'else"."where'}, code=models.IntegerField(unique=True)),
        "Bulletin": _model(
            "Bulletin",
            number=models.IntegerField(unique=True),
            title=models.CharField(max_length=20),
            body=models.TextField(null=True),
            content_type=models.ForeignKey(
                "contenttypes.ContentType", models.CASCADE, null=True, related_name="+"
            ),
            about=GenericForeignKey("content_type", "number"),
        ),
        "Pair": _model(
            "Pair",
            pk=models.CompositePrimaryKey("left", "right"),
            left=models.IntegerField(),
            right=models.IntegerField(),
            weight=models.FloatField(null=True),
            number=models.IntegerField(unique=True, default=next_number),
        ),
        "Account": _model(
            "Account",
            tenant=_tenant(),
            number=models.IntegerField(),
            total=models.FloatField(null=True),
            meta={"constraints": (_unique("tenant", "number"),)},
        ),
        "Legacy": _model(
            "Legacy",
            number=models.IntegerField(),
            title=models.CharField(max_length=20, blank=True),
            meta={"managed": False, "db_table": "flights_legacy"},
        ),
    }


@contextmanager
def registered() -> Iterator[SimpleNamespace]:
    """Register the models, and take them out again."""
    before = dict(apps.all_models["flights"])
    try:
        made = _places()
        made["Reading"] = _readings(made["Station"])
        made |= _others(made["Reading"])
        made["Child"] = _model(
            "Child",
            bases=(made["Station"],),
            depth=models.FloatField(null=True),
            berth=models.IntegerField(unique=True, default=next_number),
        )
        made["Log"] = _model(
            "Log",
            child=models.ForeignKey(made["Child"], models.CASCADE, related_name="+"),
            line=models.IntegerField(unique=True),
            station=models.ForeignKey(
                made["Station"], models.SET_NULL, null=True, to_field="number", related_name="+"
            ),
        )
        yield SimpleNamespace(**made)
    finally:
        for name in set(apps.all_models["flights"]) - set(before):
            del apps.all_models["flights"][name]
        apps.clear_cache()


def create_tables(*made: type[models.Model]) -> None:
    """Create temporary tables, which go with the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = pg_temp, public")
        with connection.schema_editor() as editor:
            for model in made:
                editor.create_model(model)
        cursor.execute("SET LOCAL search_path = DEFAULT")
