"""The ingest app's rows as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_app.api.strictness import StrictSerializer
from django_app.ingest.models import CheckRun, Delivery, RefusedFile
from hotclub import severities

_RUN = "the Airflow run that asks; an attempt that another has followed is refused"
#: What PostgreSQL's integer holds.
_MAX_INTEGER = 2**31 - 1


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    """A delivery with what became of it."""

    partition = serializers.CharField(read_only=True, help_text="of the source's asset in Airflow")

    class Meta:
        model = Delivery
        fields = (
            "id",
            "source",
            "tenant",
            "day",
            "partition",
            "sha256",
            "size_bytes",
            "status",
            "attempts",
            "dag_run_id",
            "rows_staged",
            "rows_loaded",
            "rows_changed",
            "rows_unchanged",
            "rows_unmatched",
            "only_updates",
            "waits_for",
            "reasons",
            "warnings",
            "landed_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class DeliveryFileOut(serializers.ModelSerializer[Delivery]):
    """What a DAG run needs to know of a delivery: it comes from here, so that no one can enter it by hand in Airflow."""

    path = serializers.CharField(source="archive_path", help_text="where its file is archived")

    class Meta:
        model = Delivery
        fields = ("id", "source", "tenant", "day", "path", "status", "reasons", "dag_run_id")
        read_only_fields = fields


class RefusedFileOut(serializers.ModelSerializer[RefusedFile]):
    """Something in the landing folder that became no delivery, and why."""

    class Meta:
        model = RefusedFile
        fields = ("id", "path", "source", "tenant", "reason", "size_bytes", "found_at")
        read_only_fields = fields


class DeliveryFilters(serializers.Serializer[Any]):
    """Query parameters of the list."""

    source = serializers.CharField(required=False)  # type: ignore[assignment]  # a declared field; REST framework takes it out of the class
    tenant = serializers.CharField(required=False)
    day = serializers.DateField(required=False)
    status = serializers.ChoiceField(choices=Delivery.Status.choices, required=False)


class CheckResultIn(serializers.Serializer[Any]):
    """One expectation's result. What else a result holds is kept as it is."""

    expectation = serializers.CharField()
    severity = serializers.ChoiceField(choices=severities.ORDER)
    success = serializers.BooleanField()
    message = serializers.CharField(allow_blank=True)
    arguments = serializers.DictField(required=False)
    unexpected_count = serializers.IntegerField(required=False, allow_null=True)
    unexpected_examples = serializers.ListField(required=False, allow_null=True)


class LoadIn(StrictSerializer):
    """Who asks for a load."""

    dag_run_id = serializers.CharField(allow_blank=True, max_length=250, help_text=_RUN)


class CheckReportIn(serializers.Serializer[Any]):
    """A check report, as data_checks writes it, and the run that it was made in."""

    dag_run_id = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=250, help_text=_RUN
    )
    source = serializers.CharField()  # type: ignore[assignment]  # a declared field; REST framework takes it out of the class
    delivery = serializers.UUIDField()
    rows = serializers.IntegerField(min_value=0, max_value=_MAX_INTEGER)
    contract_version = serializers.IntegerField(min_value=1, max_value=_MAX_INTEGER)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    success = serializers.BooleanField()
    results = CheckResultIn(many=True)


class CheckRunOut(serializers.ModelSerializer[CheckRun]):
    """What was decided, and why."""

    reasons = serializers.ListField(child=serializers.CharField(), source="delivery.reasons")
    warnings = serializers.ListField(child=serializers.CharField(), source="delivery.warnings")

    class Meta:
        model = CheckRun
        fields = ("decision", "severity", "reasons", "warnings")
        read_only_fields = fields
