"""Prediction requests and batches over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from django_app.api.openapi_problems import problems
from django_app.api.strictness import StrictView
from django_app.conf import hotclub_settings
from django_app.ingest.loaded_keys import loaded_rows
from django_app.registry import selectors as registry
from django_app.registry.selectors import ModelVersionRef
from django_app.scoring import selectors
from django_app.scoring.api.serializers import (
    BatchIn,
    BatchOut,
    PredictionOut,
    PredictionRequestIn,
    PredictionRequestOut,
)
from django_app.scoring.models import Batch, PredictionRequest
from django_app.scoring.row_selection import RowSelection
from django_app.scoring.services.batches import batch_create, load_key
from django_app.scoring.services.requests import request_create
from django_app.tenants.models import Tenant
from django_app.tenants.selectors import (
    active_user,
    sees_every_tenant,
    tenants_of,
    tenants_writable_by,
    writes_every_tenant,
)
from hotclub import contract_files, days
from hotclub.contract import ModelContract
from hotclub.errors import ContractError, InvalidInputError


def _require_any_tenant(user: Any) -> None:
    """Refuse somebody who belongs to no tenant: no choice of a tenant would help them.

    Raises:
        PermissionDenied: with what gives the right.
    """
    if not sees_every_tenant(user) and not tenants_of(user).exists():
        raise PermissionDenied(
            f"{user.get_username()} belongs to no tenant, so there is nothing to start work for; an administrator adds a "
            "membership as data owner or ML engineer in Django's admin"
        )


def _tenant(user: Any, slug: str) -> Tenant:
    _require_any_tenant(user)
    tenant = tenants_writable_by(user).filter(pk=slug).first()
    if tenant is None:
        raise InvalidInputError.of(
            "tenant",
            f"{slug!r} is not a tenant that {user.get_username()} may start work for; a membership as data owner "
            "or ML engineer gives the right",
        )
    return tenant


def _asker(request: Request, on_behalf_of: str | None) -> Any:
    """Return whose rights decide: the caller's, or those of the person who started a DAG run by hand.

    Raises:
        InvalidInputError: Django does not know that person, or the caller may not speak for others.
    """
    if on_behalf_of is None:
        return request.user
    if not sees_every_tenant(request.user):
        raise InvalidInputError.of("on_behalf_of", "only the service account asks for others; leave it out")
    if on_behalf_of and on_behalf_of == hotclub_settings.airflow_username:
        return request.user  # Django's own account in Airflow is Django itself
    person = active_user(on_behalf_of)
    if person is None:
        who = repr(on_behalf_of) if on_behalf_of else "nobody that Airflow knows"
        raise InvalidInputError.of(
            "on_behalf_of",
            f"{who} started this run, and Django has no active user of that name, so the tenants "
            "that it may score are unknown; start it as a user that Django has too, or create that user in Django's admin",
        )
    return person


def _declared(model_name: str) -> ModelContract:
    try:
        return contract_files.find_model(model_name, hotclub_settings.contracts)
    except ContractError as error:
        raise InvalidInputError.of("model", str(error)) from error


def _refuse_needless_tenant(contract: ModelContract, tenant: Tenant | None) -> None:
    if contract.schema.tenant_path is None and tenant is not None:
        raise InvalidInputError.of("tenant", f"{contract.name} has no tenants; leave it out")


def _require_fitting_tenant(contract: ModelContract, tenant: Tenant | None, user: Any) -> None:
    """Refuse a tenant for a model that has none, and none for a model that has them."""
    _refuse_needless_tenant(contract, tenant)
    if contract.schema.tenant_path is None:
        if not sees_every_tenant(user):
            raise _no_tenants(contract)
    elif tenant is None:
        _require_any_tenant(user)
        raise InvalidInputError.of("tenant", f"is required: {contract.name} has tenants")


def _no_tenants(contract: ModelContract) -> PermissionDenied:
    return PermissionDenied(
        f"{contract.name} has no tenants: only users who may act for every tenant may use it"
    )


class PredictionRequestViewSet(
    StrictView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PredictionRequest]
):
    """Single rows, scored by a worker with the champion of the moment they were accepted."""

    serializer_class = PredictionRequestOut
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = PredictionRequest.objects.none()
    paged_actions = ("list",)

    def get_queryset(self) -> QuerySet[PredictionRequest]:
        """Return the caller's requests."""
        return selectors.prediction_requests(self.request.user)

    @extend_schema(
        request=PredictionRequestIn,
        responses={202: PredictionRequestOut, **problems(401, 403, 409, 422, 503)},
    )
    def create(self, request: Request) -> Response:
        """Accept a row for scoring."""
        body = PredictionRequestIn(data=request.data)
        body.is_valid(raise_exception=True)
        slug = body.validated_data.get("tenant")
        tenant = None if slug is None else _tenant(request.user, slug)
        version = registry.champion(_declared(body.validated_data["model"]).name)
        _require_fitting_tenant(version.contract, tenant, request.user)
        row = request_create(
            version=version,
            tenant=tenant,
            features=body.validated_data["features"],
            user=request.user,
            now=timezone.now(),
        )
        return Response(PredictionRequestOut(row).data, status=202)


class BatchViewSet(
    StrictView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Batch]
):
    """Rows of a model, scored by workers with the champion of the moment they were accepted."""

    serializer_class = BatchOut
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = Batch.objects.none()
    paged_actions = ("list", "results")

    def get_queryset(self) -> QuerySet[Batch]:
        """Return the caller's batches."""
        return selectors.batches(self.request.user)

    @extend_schema(
        request=BatchIn, responses={200: BatchOut, 202: BatchOut, **problems(401, 403, 409, 422, 503)}
    )
    def create(self, request: Request) -> Response:
        """Accept a batch: 202 when it is new, 200 when its key has been used for the same rows."""
        body = BatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user = _asker(request, given.get("on_behalf_of"))
        declared = _declared(given["model"])
        slug, day = given.get("tenant"), given.get("day")
        if "partition" in given:
            slug, day = days.parse_partition_key(given["partition"])
            version = registry.champion_with_view(declared.name)
            # The whole day where the version that scores knows no tenants.
            slug = slug if version.contract.schema.tenant_path else None
            tenant = self._tenant_of(request, user, slug, declared)
        else:
            tenant = self._tenant_of(request, user, slug, declared)
            version = registry.champion_with_view(declared.name)
        _refuse_needless_tenant(version.contract, tenant)
        rows = self._rows(given, day, tenant, declared, version.contract)
        batch, created = batch_create(
            version=version,
            rows=rows,
            tenant=tenant,
            key=self._key(given, day, tenant, version, rows),
            user=user,
            clock=timezone.now,
            retry_failed=given["retry_failed"],
        )
        return Response(BatchOut(batch).data, status=202 if created else 200)

    @staticmethod
    def _rows(
        given: dict[str, Any],
        day: dt.date | None,
        tenant: Tenant | None,
        declared: ModelContract,
        contract: ModelContract,
    ) -> RowSelection:
        """Return the rows that are asked for, under the contract of the version that scores."""
        if "all" in given:
            return RowSelection.all_rows()
        if "entities" in given:
            return RowSelection.of_entities(given["entities"], contract)
        if day is None:
            return RowSelection.between(given["start"], given["end"], contract)
        if "partition" not in given or contract.schema.event_time is not None:
            return RowSelection.of_day(day, contract)
        if declared.policy.score_on is None:
            raise InvalidInputError.of(
                "partition",
                f"{declared.name} follows no source, so no partition has rows of it; give all or entities",
            )
        return RowSelection.of_delivered(
            day, loaded_rows(source=declared.policy.score_on, day=day, tenant=tenant)
        )

    @staticmethod
    def _key(
        given: dict[str, Any],
        day: dt.date | None,
        tenant: Tenant | None,
        version: ModelVersionRef,
        rows: RowSelection,
    ) -> str | None:
        """Return the key of all that is loaded of a partition's day, else the one that is given."""
        key: str | None = given.get("key")
        if key is not None and given["key_per_version"]:
            key = f"{key} version {version.registered.version}"
        if "partition" not in given or day is None:
            return key
        source = _declared(given["model"]).policy.score_on
        return load_key(source=source or "", day=day, tenant=tenant, rows=rows) or key

    @staticmethod
    def _tenant_of(request: Request, user: Any, slug: str | None, declared: ModelContract) -> Tenant | None:
        if slug is not None:
            return _tenant(user, slug)
        # Users must be able to see their own batch, and only users of every tenant see one over every tenant.
        allowed = sees_every_tenant(user) if user == request.user else writes_every_tenant(user)
        if not allowed:
            if declared.schema.tenant_path is None:
                raise _no_tenants(declared)
            _require_any_tenant(user)
            raise InvalidInputError.of(
                "tenant", f"is required: {user.get_username()} may not start a batch over every tenant"
            )
        return None

    @extend_schema(responses={200: PredictionOut(many=True), **problems(401, 404)})
    @action(detail=True, methods=["get"], serializer_class=PredictionOut)
    def results(self, _request: Request, **_: Any) -> Response:
        """Return the scores, by entity, a page at a time."""
        # Any: the page is of another model than the view.
        batch = self.get_object()
        rows: QuerySet[Any] = selectors.predictions(batch)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(PredictionOut(page, many=True, context={"batch": batch}).data)
