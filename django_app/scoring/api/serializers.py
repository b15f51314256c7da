"""The scoring app's rows as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_app.api.strictness import StrictSerializer
from django_app.scoring.models import Batch, Prediction, PredictionRequest
from django_app.scoring.row_selection import MAX_ENTITIES
from django_app.scoring.services.batches import LOAD_KEY_PREFIX
from django_app.scoring.shown_answers import ShownAnswer, shown_answer


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


class LabelledOut(serializers.Serializer[Any]):
    """What the scores mean, where the contract of their version names classes."""

    label = serializers.SerializerMethodField(  # type: ignore[assignment]  # REST framework takes it out of the class
        help_text="the most probable class; null where there are no classes"
    )
    probabilities = serializers.SerializerMethodField(help_text="by class; null where there are no classes")
    classes_problem = serializers.SerializerMethodField(
        help_text="why label and probabilities are missing although there is a score; empty otherwise"
    )

    FIELDS = ("label", "probabilities", "classes_problem")

    def _shown(self, row: Prediction | PredictionRequest) -> ShownAnswer:
        work = self.context["batch"] if isinstance(row, Prediction) else row
        return shown_answer(work, row.score if row.scores is None else row.scores)

    def get_label(self, row: Prediction | PredictionRequest) -> str | None:
        """Return the label."""
        return self._shown(row).label

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}, "nullable": True})
    def get_probabilities(self, row: Prediction | PredictionRequest) -> dict[str, float] | None:
        """Return the probabilities."""
        return self._shown(row).probabilities

    def get_classes_problem(self, row: Prediction | PredictionRequest) -> str:
        """Return the reason."""
        return self._shown(row).problem


class PredictionRequestOut(LabelledOut, serializers.ModelSerializer[PredictionRequest]):
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
            *LabelledOut.FIELDS,
            "unseen",
            "error",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "array",
        "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "minItems": 1,
        "maxItems": MAX_ENTITIES,
    }
)
class EntitiesField(serializers.Field[list[Any], Any, list[Any], Any]):
    """Entity keys. Their type is the model's, so each is checked when that is known."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the keys as they were sent.

        Raises:
            ValidationError: it is no array, or has none or too many.
        """
        if not isinstance(data, list):
            raise serializers.ValidationError('must be an array of entity keys, such as ["17", "18"]')
        if not data:
            raise serializers.ValidationError("must have at least one key")
        if len(data) > MAX_ENTITIES:
            raise serializers.ValidationError(
                f"may have at most {MAX_ENTITIES:,} keys, got {len(data):,}; send several batches, or all"
            )
        return data

    def to_representation(self, value: list[Any]) -> list[Any]:
        """Return the keys."""
        return value


#: The ways to say which rows, by the fields that say it; tenant goes with each but a partition, which has its own.
_WAYS = {
    "partition": ("partition",),
    "day": ("day",),
    "start": ("start", "end"),
    "all": ("all",),
    "entities": ("entities",),
}
_WAYS_IN_WORDS = "give exactly one of: partition, day, start and end, all, entities"


class BatchIn(StrictSerializer):
    """Rows to be scored: a loaded partition, a day of the model's own zone, event times from start until end, all, or those of given entities."""

    model = serializers.CharField()
    tenant = serializers.CharField(required=False, allow_null=True, help_text="without it: every tenant")
    day = serializers.DateField(required=False)
    start = serializers.DateTimeField(required=False)
    end = serializers.DateTimeField(required=False)
    all = serializers.BooleanField(required=False, help_text="true: every row of the model, or of the tenant")
    entities = EntitiesField(
        required=False,
        help_text=f"the rows of these keys, at most {MAX_ENTITIES:,}, each once; one that has no row is counted as not found",
    )
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
        "that is loaded of that day, no matter who asks; another load gets its own. Without a tenant in the source: "
        "2013-11-01. Where the model's rows have no time: the rows that were delivered",
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

    def validate_all(self, value: bool) -> bool:  # noqa: FBT001  # REST framework's signature
        """Refuse false: it says no rows."""
        if not value:
            raise serializers.ValidationError("must be true; leave it out otherwise")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one way to say which rows."""
        given = [way for way, fields in _WAYS.items() if any(name in attrs for name in fields)]
        if not given:
            raise serializers.ValidationError({"day": f"no rows are given; {_WAYS_IN_WORDS}"})
        if "partition" in given:
            others = [name for name in ("tenant", "day", "start", "end", "all", "entities") if name in attrs]
            if others:
                raise serializers.ValidationError(
                    dict.fromkeys(others, "a partition says it already; leave it out")
                )
        if len(given) > 1:
            raise serializers.ValidationError(
                {given[0]: f"{' and '.join(given)} are given; {_WAYS_IN_WORDS}"}
            )
        if given == ["start"] and not ("start" in attrs and "end" in attrs):
            raise serializers.ValidationError(
                {"end" if "start" in attrs else "start": "an interval has both, start and end"}
            )
        return attrs


class BatchOut(serializers.ModelSerializer[Batch]):
    """A batch with its progress."""

    model = serializers.CharField(source="model_name", read_only=True)
    summary = serializers.CharField(read_only=True, help_text="what became of the rows, in words")
    waits_for = serializers.CharField(
        read_only=True, help_text="what it waits for now, or the last failure of what is tried again"
    )

    class Meta:
        model = Batch
        fields = (
            "id",
            "key",
            "model",
            "model_version",
            "contract_version",
            "tenant",
            "rows_of",
            "day",
            "start",
            "end",
            "status",
            "rows_total",
            "rows_done",
            "rows_vanished",
            "rows_new",
            "summary",
            "waits_for",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class PredictionOut(LabelledOut, serializers.ModelSerializer[Prediction]):
    """One scored row. The context has its batch."""

    class Meta:
        model = Prediction
        fields = ("entity", "tenant", "event_time", "score", "scores", *LabelledOut.FIELDS)
        read_only_fields = fields
