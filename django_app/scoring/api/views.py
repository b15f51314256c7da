"""Prediction requests and batches over HTTP."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from django_app.api.problems import Conflict
from django_app.api.schemas import problems
from django_app.scoring import pinning, selectors, services
from django_app.scoring.api.serializers import (
    BatchIn,
    BatchOut,
    PredictionOut,
    PredictionRequestIn,
    PredictionRequestOut,
)
from django_app.scoring.models import Batch, PredictionRequest
from django_app.scoring.slices import Slice
from django_app.tenants.models import Tenant
from django_app.tenants.selectors import sees_every_tenant, tenants_writable_by
from hotclub import store
from hotclub.errors import ContractError, InvalidInputError


def _tenant(user: Any, slug: str) -> Tenant:
    tenant = tenants_writable_by(user).filter(pk=slug).first()
    if tenant is None:
        raise InvalidInputError.of("tenant", f"{slug!r} is not a tenant that you may start work for")
    return tenant


def _champion(model: str, *, with_view: bool) -> pinning.Pin:
    try:
        store.find_model(model, settings.HOTCLUB_CONTRACTS)
    except ContractError as error:
        raise InvalidInputError.of("model", str(error)) from error
    try:
        return pinning.champion_with_view(model) if with_view else pinning.champion(model)
    except pinning.NoChampionError as error:
        raise Conflict(str(error)) from error


class PredictionRequestViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PredictionRequest]
):
    """Single rows, scored by a worker with the champion of the moment they were accepted."""

    serializer_class = PredictionRequestOut
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = PredictionRequest.objects.none()

    def get_queryset(self) -> QuerySet[PredictionRequest]:
        """Return the caller's requests."""
        return selectors.prediction_requests(self.request.user)

    @extend_schema(
        request=PredictionRequestIn, responses={202: PredictionRequestOut, **problems(401, 409, 422, 503)}
    )
    def create(self, request: Request) -> Response:
        """Accept a row for scoring."""
        body = PredictionRequestIn(data=request.data)
        body.is_valid(raise_exception=True)
        tenant = _tenant(request.user, body.validated_data["tenant"])
        row = services.request_create(
            pin=_champion(body.validated_data["model"], with_view=False),
            tenant=tenant,
            features=body.validated_data["features"],
            user=request.user,
            now=timezone.now(),
        )
        return Response(PredictionRequestOut(row).data, status=202)


class BatchViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Batch]):
    """Slices of a model's rows, scored by workers with the champion of the moment they were accepted."""

    serializer_class = BatchOut
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = Batch.objects.none()

    def get_queryset(self) -> QuerySet[Batch]:
        """Return the caller's batches."""
        return selectors.batches(self.request.user)

    @extend_schema(request=BatchIn, responses={200: BatchOut, 202: BatchOut, **problems(401, 409, 422, 503)})
    def create(self, request: Request) -> Response:
        """Accept a batch: 202 when it is new, 200 when its key has been used for the same slice."""
        body = BatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        tenant = self._tenant_of(request, given.get("tenant"))
        pin = _champion(given["model"], with_view=True)
        if tenant is not None and pin.contract.schema.tenant is None:
            raise InvalidInputError.of("tenant", f"{given['model']} has no tenants; leave it out")
        piece = (
            Slice.of_day(given["day"], pin.contract.schema.timezone)
            if "day" in given
            else Slice.between(given["start"], given["end"])
        )
        try:
            batch, created = services.batch_create(
                pin=pin,
                piece=piece,
                tenant=tenant,
                key=given.get("key"),
                user=request.user,
                now=timezone.now(),
            )
        except services.KeyConflictError as error:
            raise Conflict(str(error)) from error
        return Response(BatchOut(batch).data, status=202 if created else 200)

    @staticmethod
    def _tenant_of(request: Request, slug: str | None) -> Tenant | None:
        if slug is not None:
            return _tenant(request.user, slug)
        if not sees_every_tenant(request.user):
            raise InvalidInputError.of(
                "tenant", "is required: a batch over every tenant is not yours to start"
            )
        return None

    @extend_schema(responses={200: PredictionOut(many=True), **problems(401, 404)})
    @action(detail=True, methods=["get"], serializer_class=PredictionOut)
    def results(self, _request: Request, **_: Any) -> Response:
        """Return the scores, by entity, a page at a time."""
        rows = selectors.predictions(self.get_object())
        page = self.paginate_queryset(rows)  # type: ignore[arg-type]  # the page is of another model than the view
        return self.get_paginated_response(PredictionOut(page, many=True).data)
