"""What `Source.ambiguous_times` may be, reported when contracts are made."""

from __future__ import annotations

import pytest

from django_app.contracts.compilation.source_compiler import compile_source
from hotclub import declarations
from hotclub.declarations import Source
from hotclub.errors import ContractError

pytestmark = pytest.mark.usefixtures("declared_for_a_moment")


def _declare(severity: object) -> type[Source]:
    parent = next(iter(declarations.sources.values()))
    return type("Momentary", (parent,), {"__module__": parent.__module__, "ambiguous_times": severity})


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_a_severity_that_checks_have_is_kept(severity: str) -> None:
    """It goes into the contract's policy, where the checks read it."""
    contract = compile_source(_declare(severity), version=1, policy_revision=1)
    assert contract.policy.ambiguous_times == severity


@pytest.mark.parametrize("severity", ["error", "Critical", "", None, True])
def test_any_other_is_refused_with_the_attribute_and_the_choices(severity: object) -> None:
    """Taken as it is, it would be a severity that no check knows."""
    with pytest.raises(
        ContractError, match=r'Momentary\.ambiguous_times: .* must be "warning" or "critical"'
    ):
        compile_source(_declare(severity), version=1, policy_revision=1)
