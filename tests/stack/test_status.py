"""What `make status` says beside its table."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from stack import clients, status
from stack.service_environments import Stack

PROBLEM = {
    "version": 1,
    "reason": "column country does not exist",
    "needed": "serves as champion",
    "fix": "Fix: x.",
}


def test_a_missing_view_is_told_with_the_fix(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the model that has the problem, and of no other."""
    contracts = [{"name": "returned", "view_problems": [PROBLEM]}, {"name": "fine", "view_problems": []}]
    monkeypatch.setattr(clients, "_client", lambda *_: _answering(httpx.Response(200, json=contracts)))
    assert status.view_warnings(stack) == [
        (
            "WARNING: returned version 1 has no feature view: column country does not exist\n"
            "  This version serves as champion. Fix: x."
        )
    ]


def test_an_api_that_does_not_say_is_told_too(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is not "all is well"."""
    monkeypatch.setattr(clients, "_client", lambda *_: _answering(httpx.Response(500, text="no")))
    [warning] = status.view_warnings(stack)
    assert "does not say whether feature views are missing" in warning


def _answering(response: httpx.Response) -> Any:
    return httpx.Client(base_url="http://django", transport=httpx.MockTransport(lambda request: response))
