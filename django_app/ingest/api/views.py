"""Deliveries over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from django_app.api.openapi_problems import problems
from django_app.api.strictness import StrictView
from django_app.ingest import selectors
from django_app.ingest.api.serializers import (
    CheckReportIn,
    CheckRunOut,
    DeliveryFileOut,
    DeliveryFilters,
    DeliveryOut,
    LoadIn,
    RefusedFileOut,
)
from django_app.ingest.models import Delivery, RefusedFile
from django_app.ingest.services import deliveries
from django_app.tenants.api.permissions import ActsForAnyTenant
from hotclub.errors import InvalidInputError


class DeliveryViewSet(
    StrictView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Delivery]
):
    """Files that landed, and what became of them."""

    serializer_class = DeliveryOut
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = Delivery.objects.none()
    filters = DeliveryFilters
    paged_actions = ("list",)

    def get_queryset(self) -> QuerySet[Delivery]:
        """Return the caller's deliveries, filtered by ?source=, ?tenant=, ?day= and ?status=."""
        rows = selectors.deliveries(self.request.user)
        filters = DeliveryFilters(data=self.request.query_params)
        filters.is_valid(raise_exception=True)
        return rows.filter(**filters.validated_data)

    @extend_schema(
        parameters=[DeliveryFilters], responses={200: DeliveryOut(many=True), **problems(401, 422)}
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List deliveries, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses={200: DeliveryFileOut, **problems(401, 403, 404)})
    @action(detail=True, methods=["get"], permission_classes=[ActsForAnyTenant])
    def file(self, _request: Request, **_: Any) -> Response:
        """Return where a delivery's file is and its tenant, for the DAG run that checks it."""
        return Response(DeliveryFileOut(self.get_object()).data)

    @extend_schema(request=CheckReportIn, responses={200: CheckRunOut, **problems(401, 403, 404, 409, 422)})
    @action(detail=True, methods=["post"], url_path="check-runs", permission_classes=[ActsForAnyTenant])
    def check_runs(self, request: Request, **_: Any) -> Response:
        """Record a check report and decide whether the delivery is accepted."""
        delivery = self.get_object()
        report = CheckReportIn(data=request.data)
        report.is_valid(raise_exception=True)
        if report.validated_data["delivery"] != delivery.pk:
            raise InvalidInputError.of("delivery", f"the report is about another delivery than {delivery.pk}")
        checked = dict(report.validated_data)
        run = deliveries.check_run_record(
            delivery_id=delivery.pk,
            dag_run_id=checked.pop("dag_run_id"),
            # A result may hold more than is looked at here; what is looked at is the checked value.
            report={
                **checked,
                "results": [
                    {**sent, **result}
                    for sent, result in zip(report.initial_data["results"], checked["results"], strict=True)
                ],
            },
            now=timezone.now(),
        )
        return Response(CheckRunOut(run).data)

    @extend_schema(
        request=LoadIn, responses={200: DeliveryOut, 202: DeliveryOut, **problems(401, 403, 404, 409, 422)}
    )
    @action(detail=True, methods=["post"], permission_classes=[ActsForAnyTenant])
    def load(self, request: Request, **_: Any) -> Response:
        """Ask for an accepted delivery to be loaded; a worker does it. 200 where it is loaded already."""
        delivery = self.get_object()
        body = LoadIn(data=request.data)
        body.is_valid(raise_exception=True)
        delivery = deliveries.delivery_load_request(delivery_id=delivery.pk, **body.validated_data)
        return Response(
            DeliveryOut(delivery).data, status=200 if delivery.status == Delivery.Status.LOADED else 202
        )


class RefusedFileViewSet(
    StrictView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RefusedFile]
):
    """What landed and became no delivery, with the reason: a name that is no day, a folder of no tenant, no regular file."""

    serializer_class = RefusedFileOut
    lookup_value_regex = "[0-9]{1,18}"
    queryset = RefusedFile.objects.none()
    paged_actions = ("list",)

    def get_queryset(self) -> QuerySet[RefusedFile]:
        """Return the caller's refused files, newest first."""
        return selectors.refused_files(self.request.user)
