"""Contracts as they are published: what is predicted from what, and what files must hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from django_app.api.openapi_problems import problems
from django_app.api.strictness import StrictView
from django_app.conf import hotclub_settings
from django_app.contracts.api.serializers import ContractDetailOut, ContractOut
from django_app.contracts.view_problems import ViewProblem, view_problems
from hotclub import contract_files
from hotclub.contract import Contract


def _plain(contract: Contract, found: Sequence[ViewProblem]) -> dict[str, Any]:
    return {**contract.to_json(), "view_problems": [p for p in found if p.model_name == contract.name]}


class ContractViewSet(StrictView, viewsets.ViewSet):
    """Contracts. They belong to no tenant: every user may read them."""

    lookup_field = "name"
    lookup_value_regex = "[a-z][a-z0-9_]*"
    serializer_class = ContractDetailOut

    @extend_schema(responses={200: ContractOut(many=True), **problems(401, 422)})
    def list(self, _request: Request) -> Response:
        """List the newest version of every contract."""
        contracts = contract_files.read_all(hotclub_settings.contracts)
        found = view_problems()
        rows = [_plain(contracts[name], found) for name in sorted(contracts)]
        return Response(ContractOut(rows, many=True).data)

    @extend_schema(responses={200: ContractDetailOut, **problems(401, 404, 422)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Return the newest version of one contract."""
        contract = contract_files.find(name, hotclub_settings.contracts)
        return Response(ContractDetailOut(_plain(contract, view_problems())).data)
