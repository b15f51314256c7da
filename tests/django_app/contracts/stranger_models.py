"""Models of many shapes, as strangers have them, with rows, for `startml`."""

from __future__ import annotations

MODELS = '''
import uuid
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_app.tenants.models import Tenant


class Region(models.Model):
    code = models.SlugField(unique=True)
    name = models.CharField(max_length=80)


class Store(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant = models.ForeignKey(Tenant, models.CASCADE)
    region = models.ForeignKey(Region, models.CASCADE)
    label = models.CharField(max_length=20)


class Customer(models.Model):
    email = models.EmailField(unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)


class Order(models.Model):
    """Everything at once: what an order of a shop has."""

    class Channel(models.TextChoices):
        WEB = "web", _("On the web")
        SHOP = "shop", _('In the "shop"')
        PHONE = "phone", "By phone"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = models.IntegerField(unique=True)
    store = models.ForeignKey(Store, models.CASCADE)
    region = models.ForeignKey(Region, models.SET_NULL, null=True, related_name="orders_there")
    customer = models.ForeignKey(Customer, models.CASCADE)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    priority = models.SmallIntegerField(choices=((1, "low"), (2, "high")))
    rate = models.DecimalField(max_digits=3, decimal_places=1, choices=((7, "less"), (19, "full")))
    hidden = models.BooleanField(choices=((True, "yes"), (False, "no")))
    weight = models.FloatField("weight (kg)", null=True)
    pieces = models.PositiveIntegerField(help_text="How many")
    total = models.DecimalField(max_digits=9, decimal_places=2, help_text="What was paid, in EUR")
    gift = models.BooleanField(default=False)
    country = models.CharField(max_length=2)
    remark = models.TextField(blank=True)
    attributes = models.JSONField(default=dict)
    tags = ArrayField(models.TextField(), default=list)
    slip = models.FileField(upload_to="slips")
    token = models.UUIDField(default=uuid.uuid4)
    packing = models.DurationField(null=True)
    pickup = models.TimeField(null=True)
    promised_on = models.DateField()
    ordered_before = models.DateField(null=True)
    returned_on = models.DateField(null=True)
    empty = models.FloatField(null=True)
    constant = models.CharField(max_length=3, default="x")
    returned = models.BooleanField(null=True)
    related = models.ManyToManyField("self")


class ProxyOrder(Order):
    class Meta:
        proxy = True


class Place(models.Model):
    size = models.FloatField(help_text="in m²")
    kind = models.CharField(max_length=9)


class Restaurant(Place):
    seats = models.IntegerField(validators=[MaxValueValidator(100)])
    rating = models.FloatField(null=True)


class Penguin(models.Model):
    species = models.CharField(max_length=20)
    island = models.CharField(max_length=20)
    bill_length_mm = models.FloatField(null=True)
    sex = models.CharField(max_length=6, null=True)


class Big(models.Model):
    species = models.CharField(max_length=1)
    island = models.CharField(max_length=1)
    mass = models.FloatField(null=True)


class Empty(models.Model):
    price = models.FloatField()
    surface = models.FloatField("surface [m²]")
    sold_by = models.CharField(max_length=200)
    grade = models.CharField(max_length=1, choices=(("a", "A"), ("b", "B")))
    opened = models.DateField()


class Composite(models.Model):
    pk = models.CompositePrimaryKey("a", "b")
    a = models.IntegerField()
    b = models.IntegerField()
    code = models.CharField(max_length=9, unique=True)
    size = models.FloatField()
    outcome = models.BooleanField()


class Nameless(models.Model):
    pk = models.CompositePrimaryKey("a", "b")
    a = models.IntegerField()
    b = models.IntegerField()
    outcome = models.BooleanField()


class Nothing(models.Model):
    payload = models.JSONField(default=dict)
    made_at = models.DateTimeField(null=True)


class Mute(models.Model):
    code = models.CharField(max_length=9, unique=True)


class Plain(models.Model):
    width = models.FloatField(null=True)
    height = models.FloatField(null=True)


class Short(models.Model):
    created = models.DateTimeField()
    amount = models.FloatField()
    size = models.IntegerField(validators=[MinValueValidator(1), MaxValueValidator(2)])


class Visit(models.Model):
    """Two ways to a tenant, both of which may be missing; the shorter one is a parent's."""

    before = models.ForeignKey("self", models.CASCADE, null=True)
    store = models.ForeignKey(Store, models.CASCADE, null=True)
    agency = models.ForeignKey(Tenant, models.CASCADE, null=True)
    outcome = models.BooleanField()
    size = models.IntegerField()


class Maybe(models.Model):
    """Times that may be null, a label with empty texts, and a manager under another name."""

    started_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=9, blank=True)
    size = models.IntegerField()
    label = models.IntegerField()
    everything = models.Manager()


class Größe(models.Model):
    entity = models.FloatField()
    event_time = models.CharField(max_length=9)
    split_by = models.FloatField(null=True)
    Straße = models.FloatField()
    strasse = models.FloatField()
    f_1 = models.FloatField(
        help_text=\'\'\'quotes " and \' and """three""" and \\\'\\\'\\\'three\\\'\\\'\\\'
        in two lines \\\\ with a backslash, \\u202e reversed, {braces} %s and a tab\\t. \'\'\'
    )
    urteil = models.CharField(
        max_length=30, choices=((\'"\', \'a "quote"\'), ("\'", "a \'quote\'"), ("\\\\", "back\\nslash"), ("ü", "\\u202eü"))
    )


class Wide(models.Model):
    target = models.IntegerField()
    for number in range(200):
        locals()[f"c{number}"] = (models.FloatField, models.IntegerField)[number % 2](null=number % 3 == 0)
    del number


class Clash(models.Model):
    """Named like what declarations import."""

    number = models.IntegerField()
    outcome = models.BooleanField()


class MLModel(models.Model):
    outcome = models.BooleanField()
    size = models.FloatField()


Keywords = type(
    "Keywords",
    (models.Model,),
    {
        "__module__": __name__,
        "class": models.CharField(max_length=9),
        "import": models.FloatField(),
        "lambda": models.IntegerField(),
        "None": models.BooleanField(),
    },
)
'''

ROWS = """
import datetime as dt
from decimal import Decimal
from django.apps import apps
from people.models import Person
from shop.models import *
from shop import models as m
zone = dt.timezone.utc
start = dt.datetime(2024, 1, 1, tzinfo=zone)
day = dt.timedelta(days=1)
tenants = [Tenant.objects.create(slug=s, name=s) for s in ("north", "south")]
regions = [Region.objects.create(code=f"r{n}", name=f"Region {n}") for n in range(3)]
stores = [Store.objects.create(tenant=tenants[n % 2], region=regions[n % 3], label="s") for n in range(4)]
customers = [Customer.objects.create(email=f"c{n}@example.org") for n in range(100)]
Order.objects.bulk_create(
    Order(
        number=n, store=stores[n % 4], region=None if n % 9 == 0 else regions[n % 3], customer=customers[n % 100],
        placed_at=start + n * day / 2, updated_at=start, channel=("web", "shop", "phone")[n % 3], priority=1 + n % 2, rate=(7, 19)[n % 2],
        hidden=n % 4 == 0,
        weight=None if n % 7 == 0 else n / 10, pieces=n % 5, total=Decimal(n) / 3, gift=n % 2 == 0,
        country=("DE", "FR", "IT")[n % 3], remark=f"remark {n}", slip=f"{n}.pdf", packing=dt.timedelta(minutes=n),
        pickup=dt.time(n % 24), promised_on=(start + n * day / 2 + 3 * day).date(),
        ordered_before=(start - n * day).date(), returned_on=None if n >= 200 else (start - n * day).date(),
        returned=None if n >= 200 else n % 4 == 0,
    )
    for n in range(240)
)
for n in range(60):
    Restaurant.objects.create(size=n, kind=("bar", "café")[n % 2], seats=n % 7, rating=n / 3)
Penguin.objects.bulk_create(
    Penguin(species=("Adelie", "Chinstrap", "Gentoo")[n // 50], island=("a", "b")[n % 2], bill_length_mm=n, sex=None)
    for n in range(150)
)
for n in range(30):
    Composite.objects.create(a=n, b=n, code=str(n), size=n, outcome=n % 2 == 0)
    Short.objects.create(created=start + n * dt.timedelta(hours=1), amount=n, size=n % 3)
    Maybe.everything.create(
        started_at=None if n % 5 == 0 else start + n * day, result=("good", "bad", "")[n % 3 if n % 4 else 0], size=n % 6, label=n % 4,
    )
    m.Größe.objects.create(
        entity=n, event_time=("a", "b")[n % 2], split_by=None, Straße=n, strasse=n, f_1=n, urteil=('"', "'", "\\\\", "ü")[n % 4],
    )
    Wide.objects.create(target=n % 2, **{f"c{i}": (n * i) % 7 for i in range(200)})
    Clash.objects.create(number=n % 5, outcome=n % 3 == 0)
    m.MLModel.objects.create(outcome=n % 3 == 0, size=n)
    m.Keywords.objects.create(**{"class": ("a", "b", "c")[n % 3], "import": n, "lambda": n % 4, "None": n % 2 == 0})
for n in range(30):
    Visit.objects.create(store=stores[n % 4], agency=None if n % 5 == 0 else tenants[n % 2], outcome=n % 2 == 0, size=n % 3)
    Plain.objects.create(width=n)
"""
