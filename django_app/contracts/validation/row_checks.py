"""Which rows a model is about, what names one, and whose it is."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet

from django_app.contracts.validation import joins, nullability
from django_app.contracts.validation.entity_keys import key_type
from django_app.contracts.validation.expressions import walk
from django_app.contracts.validation.shown_values import shown
from hotclub.errors import ContractError

#: By its label: this app's tables know nothing of tenants.
_TENANT = "tenants.Tenant"


def usable_rows(rows: Any) -> models.QuerySet[Any]:
    """Return a model's rows as a queryset that a view can be made of, without an order.

    Raises:
        ContractError: it is none, or one whose rows a view cannot have; with what to write.
    """
    example = "write a queryset, such as Order.objects.filter(…)"
    if isinstance(rows, RawQuerySet):
        raise ContractError(f"raw() is SQL that nothing else can be added to; {example}")
    if isinstance(rows, type) and issubclass(rows, models.Model):
        raise ContractError(f"must be a queryset, not {shown(rows)}; write {rows.__name__}.objects.all()")
    if isinstance(rows, BaseManager):
        rows = rows.all()
    if not isinstance(rows, models.QuerySet):
        raise ContractError(f"must be a queryset, not {shown(rows)}; {example}")
    _refuse_forms(rows)
    _refuse_places(rows)
    query = rows.query
    # Aggregates group by the row: then each is there once.
    if joins.multiplying(query) and not query.distinct and not query.group_by:
        raise ContractError(
            f"{joins.names_of(query)} has many rows for one, and the filter gives each of them: add .distinct(), or filter by "
            "Exists(…)"
        )
    return rows.order_by()


def _refuse_forms(rows: models.QuerySet[Any]) -> None:
    query: Any = rows.query
    found = {
        "a slice depends on the order of the moment; write a filter instead": query.is_sliced,
        "values() leaves out fields that the view needs; leave it out": rows._fields is not None,  # type: ignore[attr-defined]  # Django's own, not in the stubs
        "union(), intersection() and difference() take no further columns; write one filter with Q(…) | Q(…)": bool(
            query.combinator
        ),
        "none() has no rows; write a filter that has some": query.is_empty(),
        "select_for_update() locks rows, which a view cannot; leave it out": query.select_for_update,
        "distinct() of fields keeps one row by an order, which a view does not have; leave it out or filter by Exists(…)": bool(
            query.distinct_fields
        ),
        "extra() adds SQL that nothing can be said of; write expressions": bool(
            query.extra or query.extra_tables
        ),
    }
    for reason, is_so in found.items():
        if is_so:
            raise ContractError(reason)


def _refuse_places(rows: models.QuerySet[Any]) -> None:
    meta = rows.model._meta
    if rows._db not in (None, DEFAULT_DB_ALIAS):  # type: ignore[attr-defined]  # Django's own, not in the stubs
        raise ContractError(
            f"are of the database {rows.db!r}, and feature views are in {DEFAULT_DB_ALIAS!r}; leave using() out"
        )
    if meta.abstract or meta.swapped:
        raise ContractError(f"{meta.label} has no table of its own; name a model that has one")


def check_entity(rows: models.QuerySet[Any], name: Any, where: str) -> models.Field[Any, Any]:
    """Return the field that names a row.

    Raises:
        ContractError: there is none of that name, its type names nothing, or two rows may have one value.
    """
    if not isinstance(name, str) or not name:
        raise ContractError(f"{shown(name)} must be the name of a field that is unique, such as 'pk'")
    meta = rows.model._meta
    if "__" in name:
        raise ContractError(
            f"{name!r} leads to another table; name a field of {meta.label} itself that is unique, such as 'pk'"
        )
    try:
        field: Any = meta.pk if name == "pk" else meta.get_field(name)
    except FieldDoesNotExist as error:
        unique = ", ".join(repr(f.name) for f in meta.concrete_fields if is_unique(f))
        raise ContractError(f"{meta.label} has no field {name!r}; unique are {unique}") from error
    if field.auto_created and not field.concrete:
        raise ContractError(
            f"{name!r} leads to another table; name a field of {meta.label} itself that is unique, such as 'pk'"
        )
    key_type(field, where)
    if not is_unique(field):
        raise ContractError(
            f"{name!r} is not unique: two rows may have one value; name a field with unique=True, a UniqueConstraint over it "
            "alone without a condition, or 'pk'"
        )
    if field.null and not nullability.is_ruled_out(rows.query, field.name):
        raise ContractError(
            f"{name!r} may be null, and null names no row; filter rows: .filter({name}__isnull=False)"
        )
    return field  # type: ignore[no-any-return]  # Any above, because the stubs do not know auto_created on every kind


def is_unique(field: models.Field[Any, Any]) -> bool:
    """Return whether no two rows have one value of a field, as its table holds it."""
    if field.unique:
        return True
    meta = field.model._meta
    if any(tuple(together) == (field.name,) for together in meta.unique_together):
        return True
    return any(
        isinstance(constraint, models.UniqueConstraint)
        and constraint.condition is None
        and _is_over(constraint, field.name)
        for constraint in meta.constraints
    )


def _is_over(constraint: models.UniqueConstraint, name: str) -> bool:
    """Return whether a constraint is over one field: where its small letters are unique, it is unique too."""
    if tuple(constraint.fields) == (name,):
        return True
    return len(constraint.expressions) == 1 and {
        getattr(part, "name", "") for part in walk(constraint.expressions[0]) if isinstance(part, models.F)
    } == {name}


def check_tenant(model: type[models.Model], path: str) -> None:
    """Check that a path leads from a row to its one tenant.

    Raises:
        ContractError: it does not; with the step and the fix.
    """
    meta: Any = model._meta
    field: Any = None
    for step in path.split("__"):
        if meta is None:
            raise ContractError(
                f"{path!r}: {field.name!r} leads nowhere, so {step!r} cannot follow it; {_TENANT_FIX}"
            )
        try:
            field = meta.pk if step == "pk" else meta.get_field(step)
        except FieldDoesNotExist as error:
            raise ContractError(f"{path!r}: {error}; {_TENANT_FIX}") from error
        if field.one_to_many or field.many_to_many:
            raise ContractError(
                f"{path!r}: {step!r} has many rows for one, and a row has one tenant; {_TENANT_FIX}"
            )
        meta = field.related_model._meta if field.is_relation and field.related_model else None
    key = field
    while getattr(key, "remote_field", None) is not None and hasattr(key, "target_field"):
        key = key.target_field
    if not getattr(key, "primary_key", False) or key.model._meta.label != _TENANT:
        raise ContractError(f"{path!r} leads to {_end_of(field)}, not to a tenant; {_TENANT_FIX}")


_TENANT_FIX = f"name a path of foreign keys to {_TENANT}, such as 'shop__tenant', or None"


def _end_of(field: Any) -> str:
    if field.is_relation and field.related_model:
        return str(field.related_model._meta.label)
    return f"the {type(field).__name__} {field.name!r} of {field.model._meta.label}"
