"""The flights in the admin, and the example project's users in its look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.authtoken.models import TokenProxy
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from django_app.flights.models import Airport, Carrier, Flight, HourlyWeather, Plane
from django_app.flights.services.history import LATE
from django_app.tenants.admin_base import ReadOnlyAdmin, TenantFilter
from django_app.typed_admin import ModelAdmin, display

# Generic for the type checker, and not at run time.
if TYPE_CHECKING:
    _DjangoUserAdmin = DjangoUserAdmin[User]
else:
    _DjangoUserAdmin = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)
# A token's page shows the token itself; the service's is in the launcher's secrets and nowhere else.
admin.site.unregister(TokenProxy)


@admin.register(User)
class UserAdmin(_DjangoUserAdmin, ModelAdmin):
    """Django's own, in the admin's look."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Django's own, in the admin's look."""


class ReferenceAdmin(ReadOnlyAdmin):
    """Rows that belong to no tenant: every user who may view the model sees all of them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return every row."""
        return ModelAdmin.get_queryset(self, request)


@admin.register(Airport)
class AirportAdmin(ReferenceAdmin):
    """Airports."""

    list_display = ("code", "name", "timezone", "tenant")
    list_filter = ("timezone",)
    search_fields = ("code", "name")


@admin.register(Carrier)
class CarrierAdmin(ReferenceAdmin):
    """Airlines."""

    list_display = ("code", "name")
    search_fields = ("code", "name")


@admin.register(Plane)
class PlaneAdmin(ReferenceAdmin):
    """Aircraft."""

    list_display = ("tail_number", "manufacturer", "model", "year", "engines", "seats")
    list_filter = ("manufacturer",)
    search_fields = ("tail_number", "model")


@admin.register(HourlyWeather)
class HourlyWeatherAdmin(ReadOnlyAdmin):
    """Weather at the tenants' airports."""

    tenant_path = "airport__tenant"
    list_display = ("airport", "observed_hour", "temperature", "wind_speed", "precipitation", "visibility")
    list_filter = (("observed_hour", RangeDateFilter),)
    list_filter_submit = True
    list_select_related = ("airport",)
    date_hierarchy = "observed_hour"
    ordering = ("-observed_hour",)
    show_full_result_count = False


@admin.register(Flight)
class FlightAdmin(ReadOnlyAdmin):
    """Flights, as schedules and outcomes were delivered."""

    tenant_path = "origin__tenant"
    list_display = (
        "flight",
        "route",
        "tail_number_id",
        "scheduled_departure",
        "departure_delay",
        "arrival_delay",
        "outcome",
    )
    list_filter = (
        ("origin__tenant", TenantFilter),
        "cancelled",
        "carrier",
        ("scheduled_departure", RangeDateFilter),
    )
    list_filter_submit = True
    search_fields = ("=number", "=tail_number__tail_number", "=destination__code")
    search_help_text = "flight number, tail number or destination"
    date_hierarchy = "scheduled_departure"
    ordering = ("-scheduled_departure", "pk")
    show_full_result_count = False
    fields = (
        "carrier",
        "number",
        "origin",
        "destination_id",
        "tail_number_id",
        "scheduled_departure",
        "scheduled_arrival",
        "distance",
        "departed_at",
        "departure_delay",
        "landed_at",
        "arrival_delay",
        "cancelled",
    )
    readonly_fields = fields

    @display(description="flight", ordering="number")
    def flight(self, flight: Flight) -> str:
        """Return carrier and number."""
        return f"{flight.carrier_id} {flight.number}"

    @display(description="route", ordering="destination_id")
    def route(self, flight: Flight) -> str:
        """Return origin and destination. The destination may be an airport that is not in the table."""
        return f"{flight.origin_id} → {flight.destination_id}"

    @display(
        description="outcome",
        label={"on time": "success", "late": "warning", "cancelled": "danger", "not landed": "info"},
    )
    def outcome(self, flight: Flight) -> str:
        """Return what became of the flight, as far as it is known."""
        if flight.cancelled:
            return "cancelled"
        if flight.arrival_delay is None:
            return "not landed"
        return "late" if flight.arrival_delay >= LATE else "on time"
