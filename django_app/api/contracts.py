"""Contracts as they are published: what is predicted from what, and what files must hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from django_app.api.schemas import problems
from django_app.api.strictness import StrictView
from django_app.registry.problems import ViewProblem, view_problems
from hotclub import store
from hotclub.contract import Contract


class ViewProblemOut(serializers.Serializer[Any]):
    """A version that is newest or in use and whose feature view is missing."""

    version = serializers.IntegerField()
    reason = serializers.CharField()
    needed = serializers.CharField(help_text="why its view is needed")
    fix = serializers.CharField()


class ContractOut(serializers.Serializer[Any]):
    """A contract's newest version."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=("model", "source"))
    app = serializers.CharField()
    version = serializers.IntegerField()
    fingerprint = serializers.CharField(help_text="sha256 of the schema part")
    policy_revision = serializers.IntegerField()
    view_problems = ViewProblemOut(
        many=True, help_text="versions whose batches and look-ups by key are refused; empty when all is well"
    )


class ContractDetailOut(ContractOut):
    """A contract's newest version with its parts."""

    schema = serializers.DictField(help_text="what a model version is tied to")
    policy = serializers.DictField(help_text="what may change without retraining")


def _plain(contract: Contract, found: Sequence[ViewProblem]) -> dict[str, Any]:
    return {**contract.to_json(), "view_problems": [p for p in found if p.model == contract.name]}


class ContractViewSet(StrictView, viewsets.ViewSet):
    """Contracts. They belong to no tenant: whoever may log in may read them."""

    lookup_field = "name"
    lookup_value_regex = "[a-z][a-z0-9_]*"
    serializer_class = ContractDetailOut

    @extend_schema(responses={200: ContractOut(many=True), **problems(401, 422)})
    def list(self, _request: Request) -> Response:
        """List the newest version of every contract."""
        contracts = store.read_all(settings.HOTCLUB_CONTRACTS)
        found = view_problems()
        rows = [_plain(contracts[name], found) for name in sorted(contracts)]
        return Response(ContractOut(rows, many=True).data)

    @extend_schema(responses={200: ContractDetailOut, **problems(401, 404, 422)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Return the newest version of one contract."""
        contract = store.find(name, settings.HOTCLUB_CONTRACTS)
        return Response(ContractDetailOut(_plain(contract, view_problems())).data)
