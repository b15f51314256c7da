"""Contracts as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


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
