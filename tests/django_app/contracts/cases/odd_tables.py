"""Models that a view is never built of: with fields, constraints and relations that declarations get wrong."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import DateTimeRangeField, HStoreField, IntegerRangeField
from django.db import models
from django.db.models.functions import Lower
from django.test.utils import isolate_apps


class CentsField(models.IntegerField):
    """Keeps whole cents, and gives euros."""

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> float | None:
        """Return euros."""
        del expression, connection
        return None if value is None else value / 100


class CodeField(models.Field):  # type: ignore[type-arg]  # takes no parameters at run time
    """A text whose type is written in capitals."""

    def db_type(self, connection: Any) -> str:
        """Return the column's type."""
        del connection
        return "VARCHAR(20)"


with isolate_apps("tests.django_app.contracts.cases"):

    class _Odd(models.Model):
        class Meta:
            abstract = True
            app_label = "cases"

        def __str__(self) -> str:
            return str(self.pk)

    class Kind(_Odd):
        name = models.CharField(max_length=20, unique=True)

        class Meta(_Odd.Meta):
            abstract = False

    class Note(_Odd):
        content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        object_id = models.IntegerField()
        about = GenericForeignKey()
        weight = models.FloatField()

        class Meta(_Odd.Meta):
            abstract = False

    class Parcel(_Odd):
        kind = models.ForeignKey(Kind, models.CASCADE, related_name="parcels")
        place = models.CharField(max_length=20)
        nick = models.CharField(max_length=20)
        mixed = models.CharField(max_length=20)
        alone = models.CharField(max_length=20)
        sent_at = models.DateTimeField()
        weight = models.FloatField()
        stars = models.IntegerField(choices=[(1, "bad"), (2, "fair"), (3, "good")])
        lost = models.BooleanField()
        cents = CentsField()
        code = CodeField()
        extra = HStoreField()
        sizes = IntegerRangeField()
        open = DateTimeRangeField()
        notes = GenericRelation(Note, related_query_name="parcels")

        class Meta(_Odd.Meta):
            abstract = False
            unique_together = (("alone",), ("kind", "place"))
            constraints = (
                models.UniqueConstraint(Lower("nick"), name="cases_nick"),
                models.UniqueConstraint(Lower("mixed"), "place", name="cases_mixed"),
            )

    class Label(_Odd):
        parcel = models.ForeignKey(Parcel, models.CASCADE, related_name="labels")
        width = models.FloatField()

        class Meta(_Odd.Meta):
            abstract = False
            unique_together = (("parcel",),)
