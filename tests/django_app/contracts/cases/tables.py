"""A shop's models with a field of every kind, in an app registry of their own: no other test sees them."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.test.utils import isolate_apps
from django.utils.translation import gettext_lazy

from django_app.tenants.models import Tenant


class Species(models.TextChoices):
    """Classes by value, with names for people."""

    ADELIE = "adelie", "Adélie"
    GENTOO = "gentoo", gettext_lazy("Gentoo")
    CHINSTRAP = "chin'strap", "Chin'strap %"


class Size(models.IntegerChoices):
    """Numbers with names, which do not begin at 0."""

    SMALL = 10, "small"
    LARGE = 30, "large"


with isolate_apps("tests.django_app.contracts.cases"):

    class _Base(models.Model):
        class Meta:
            abstract = True
            app_label = "cases"

        def __str__(self) -> str:
            return str(self.pk)

    class Customer(_Base):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        name = models.CharField(max_length=50)
        city = models.CharField(max_length=50, null=True)  # noqa: DJ001  # a nullable text is a case
        tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
        tenant_name = models.CharField(max_length=40, default="")

        class Meta(_Base.Meta):
            abstract = False

    class Label(_Base):
        name = models.CharField(max_length=20)

        class Meta(_Base.Meta):
            abstract = False

    class Order(_Base):
        number = models.IntegerField(unique=True)
        code = models.CharField(max_length=20, null=True, unique=True)  # noqa: DJ001  # a nullable unique text is a case
        ticket = models.CharField(max_length=20)
        slot = models.IntegerField()
        shelf = models.IntegerField()
        placed_at = models.DateTimeField()
        closed_at = models.DateTimeField(null=True)
        day = models.DateField()
        paid_on = models.DateField(null=True)
        opens = models.TimeField()
        stay = models.DurationField()
        customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
        referrer = models.ForeignKey(Customer, models.SET_NULL, null=True, related_name="referred")
        depot = models.ForeignKey(Customer, models.DO_NOTHING, db_constraint=False, related_name="+")
        labels = models.ManyToManyField(Label, related_name="orders")
        total = models.FloatField()
        rating = models.FloatField(null=True)
        price = models.DecimalField(max_digits=12, decimal_places=2)
        quantity = models.IntegerField()
        big = models.BigIntegerField()
        positive = models.PositiveSmallIntegerField()
        country = models.CharField(max_length=20)
        note = models.TextField(blank=True)
        slug = models.SlugField()
        photo = models.FileField()
        species = models.CharField(max_length=20, choices=Species.choices)
        kind = models.CharField(max_length=20, null=True, choices=[("a", "first"), ("b", "second")])  # noqa: DJ001  # a null label is a case
        size = models.IntegerField(choices=Size.choices)
        late = models.IntegerField(null=True, choices=[(1, "late"), (0, "on time")])
        returned = models.BooleanField(null=True)
        gift = models.BooleanField()
        ref = models.UUIDField()
        tags = ArrayField(models.CharField(max_length=9))
        sizes = ArrayField(models.IntegerField())
        data = models.JSONField()
        raw = models.BinaryField()
        host = models.GenericIPAddressField()
        double = models.GeneratedField(
            expression=F("total") * 2, output_field=models.FloatField(), db_persist=True
        )

        class Meta(_Base.Meta):
            abstract = False
            constraints = (
                models.UniqueConstraint(fields=("ticket",), name="cases_ticket"),
                models.UniqueConstraint(fields=("slot",), condition=Q(gift=True), name="cases_slot"),
                models.UniqueConstraint(fields=("slot", "shelf"), name="cases_place"),
            )

    class Line(_Base):
        order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
        price = models.FloatField()
        product = models.CharField(max_length=20)

        class Meta(_Base.Meta):
            abstract = False

    class Discount(_Base):
        line = models.ForeignKey(Line, models.CASCADE, related_name="discounts")
        percent = models.FloatField()

        class Meta(_Base.Meta):
            abstract = False

    class Invoice(_Base):
        order = models.OneToOneField(Order, models.CASCADE, related_name="invoice")
        amount = models.FloatField()

        class Meta(_Base.Meta):
            abstract = False

    class Event(_Base):
        at = models.DateTimeField()

        class Meta(_Base.Meta):
            abstract = False

    class Concert(Event):
        seats = models.IntegerField()

        class Meta(_Base.Meta):
            abstract = False

    class BigOrder(Order):
        class Meta(_Base.Meta):
            abstract = False
            proxy = True


#: In the order in which their tables can be made.
MODELS = (Tenant, Customer, Label, Order, Line, Discount, Invoice, Event, Concert)
