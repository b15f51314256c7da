"""The scoring app's rows as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_app.api.strictness import StrictSerializer
from django_app.scoring.models import Batch, Prediction, PredictionRequest
from django_app.scoring.services.batches import LOAD_KEY_PREFIX


@extend_schema_field(OpenApiTypes.OBJECT)
class FeaturesField(serializers.JSONField):
    """Features by name. Which, and of what type, the model's contract says."""


class PredictionRequestIn(StrictSerializer):
    """One row to be scored."""

    tenant = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="required where the model has tenants, refused where it has none",
    )
    model = serializers.CharField()
    features = FeaturesField()


class PredictionRequestOut(serializers.ModelSerializer[PredictionRequest]):
    """A prediction request with its result once it is done."""

    model = serializers.CharField(source="model_name", read_only=True)

    class Meta:
        model = PredictionRequest
        fields = (
            "id",
            "tenant",
            "model",
            "model_version",
            "contract_version",
            "features",
            "status",
            "score",
            "scores",
            "unseen",
            "error",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class BatchIn(StrictSerializer):
    """Rows to be scored: a loaded partition, a day of the model's own zone, or event times from start until end."""

    model = serializers.CharField()
    tenant = serializers.CharField(required=False, allow_null=True, help_text="without it: every tenant")
    day = serializers.DateField(required=False)
    start = serializers.DateTimeField(required=False)
    end = serializers.DateTimeField(required=False)
    key = serializers.CharField(required=False, max_length=200, help_text="idempotency key")
    key_per_version = serializers.BooleanField(
        default=False,
        help_text="the key counts for one model version: after a promotion it is another batch's",
    )
    retry_failed = serializers.BooleanField(
        default=False, help_text="where the key's batch failed: a new one takes its place"
    )
    partition = serializers.CharField(
        required=False,
        max_length=60,
        help_text="instead of a day: a partition of the asset of the model's source, EWR.2013-11-01. One batch for all "
        "that is loaded of that day, no matter who asks; another load gets its own",
    )
    on_behalf_of = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=150,
        help_text="from the service account: who started the DAG run; that user must be allowed to start the batch",
    )

    def validate_key(self, value: str) -> str:
        """Refuse the keys that Django makes itself: a batch under one would stand for another's rows."""
        if value.startswith(LOAD_KEY_PREFIX):
            raise serializers.ValidationError(f"must not begin with {LOAD_KEY_PREFIX!r}; choose another")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require one of a partition, a day, and both ends."""
        if "partition" in attrs:
            others = [name for name in ("tenant", "day", "start", "end") if name in attrs]
            if others:
                raise serializers.ValidationError(
                    dict.fromkeys(others, "a partition says it already; leave it out")
                )
        elif "day" in attrs:
            if "start" in attrs or "end" in attrs:
                raise serializers.ValidationError({"day": "give a day, or start and end, not both"})
        elif not ("start" in attrs and "end" in attrs):
            missing = "end" if "start" in attrs else "start" if "end" in attrs else "day"
            raise serializers.ValidationError({missing: "give a day, or start and end"})
        return attrs


class BatchOut(serializers.ModelSerializer[Batch]):
    """A batch with its progress."""

    model = serializers.CharField(source="model_name", read_only=True)
    summary = serializers.CharField(read_only=True, help_text="what became of the rows, in words")

    class Meta:
        model = Batch
        fields = (
            "id",
            "key",
            "model",
            "model_version",
            "contract_version",
            "tenant",
            "day",
            "start",
            "end",
            "status",
            "rows_total",
            "rows_done",
            "rows_vanished",
            "rows_new",
            "summary",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class PredictionOut(serializers.ModelSerializer[Prediction]):
    """One scored row."""

    class Meta:
        model = Prediction
        fields = ("entity", "tenant", "event_time", "score", "scores")
        read_only_fields = fields
