"""The shop's rows: nulls, extreme values, letters of other alphabets, and orders with no, one and several lines."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from django_app.tenants.models import Tenant
from tests.django_app.contracts.cases.tables import Concert, Customer, Discount, Invoice, Label, Line, Order

_KEYS = [uuid.UUID(int=number) for number in (1, 2, 2**127)]
_START = dt.datetime(2024, 3, 30, 23, 30, tzinfo=dt.UTC)


def _orders(customers: list[Customer]) -> list[Order]:
    special: list[dict[str, Any]] = [
        {},
        {"country": "Česko", "note": "it's 100%", "species": "gentoo", "size": 30, "kind": "a", "late": 1},
        {
            "country": "日本",
            "total": 1e307,
            "big": 2**63 - 1,
            "price": Decimal("9999999999.99"),
            "species": "chin'strap",
        },
        {
            "country": "",
            "total": -0.0,
            "big": -(2**63),
            "positive": 32767,
            "rating": None,
            "kind": "b",
            "late": 0,
        },
        {"referrer": customers[2], "returned": True, "closed_at": _START, "code": "Ünïcode", "kind": "z"},
        {
            "returned": False,
            "paid_on": dt.date(1900, 1, 1),
            "data": {"colour": "räd", "price": 1.5, "new": True, "a": {"b": "c"}},
        },
        {
            "paid_on": dt.date(2999, 12, 31),
            "data": {"colour": None, "price": -1e30, "new": False, "list": ["x", 7]},
        },
        {
            "tags": ["a'b", "50%"],
            "sizes": [7, 2147483647],
            "stay": dt.timedelta(days=400, microseconds=5),
            "species": "none of them",
        },
    ]
    return [
        Order(
            pk=number,
            **{
                "number": 100 - number, "ticket": f"T{number}", "slot": number // 2, "shelf": number,
                "placed_at": _START + dt.timedelta(hours=7 * number), "day": dt.date(2024, 3, 30) + dt.timedelta(days=number),
                "opens": dt.time(8, number, 30), "stay": dt.timedelta(minutes=number),
                "customer": customers[number % 3], "depot_id": uuid.UUID(int=number), "total": number * 1.25, "rating": number / 3, "price": Decimal("19.90"),
                "quantity": number, "big": number, "positive": number, "country": "DE", "slug": f"slug-{number}",
                "photo": f"photos/{number}.jpg", "species": "adelie", "size": 10, "gift": number % 2 == 0,
                "ref": uuid.UUID(int=number * 10**30), "tags": ["one"], "sizes": [], "data": {}, "raw": b"\x00\xff",
                "host": "10.0.0.1",
                **more,
            },
        )
        for number, more in enumerate(special, start=1)
    ]  # fmt: skip


def insert(using: str) -> None:
    """Insert the rows into a database whose tables are there."""
    tenants = [Tenant(slug=slug, name=slug) for slug in ("north", "south")]
    Tenant.objects.using(using).bulk_create(tenants)
    customers = [
        Customer(id=key, name=name, city=city, tenant=tenants[number % 2])
        for number, (key, name, city) in enumerate(
            zip(_KEYS, ("Łukasz", "O'Brien", "李"), (None, "Kraków", "北京"), strict=True)
        )
    ]
    Customer.objects.using(using).bulk_create(customers)
    Order.objects.using(using).bulk_create(_orders(customers))
    lines = [
        Line(pk=n, order_id=order, price=n * 1.5, product=f"p{n % 2}")
        for n, order in enumerate((1, 1, 1, 2, 5, 5), 1)
    ]
    Line.objects.using(using).bulk_create(lines)
    Discount.objects.using(using).bulk_create(
        [Discount(line_id=line, percent=line * 10.0) for line in (1, 1, 2, 5)]
    )
    Invoice.objects.using(using).bulk_create(
        [Invoice(order_id=order, amount=order * 2.5) for order in (1, 4)]
    )
    labels = [Label(pk=number, name=name) for number, name in enumerate(("neu", "rot"), 1)]
    Label.objects.using(using).bulk_create(labels)
    through = Order.labels.through
    through.objects.using(using).bulk_create(
        [through(order_id=o, label_id=n) for o, n in ((1, 1), (1, 2), (2, 1))]
    )
    Concert(pk=7, at=_START, seats=3).save(using=using)
