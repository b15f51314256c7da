"""Who may use a model without tenants, and what a person without a tenant reads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.django_app.scoring.flight_length import (
    Make,
    post_batch,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


class TestWhoMay:
    """A model without tenants is for those who may act for every tenant; a person without a tenant reads why not."""

    @pytest.mark.parametrize("body", [{"all": True}, {"entities": [1]}])
    def test_a_batch_of_a_model_without_tenants(self, timeless: Make, api: Any, body: dict[str, Any]) -> None:
        """No tenant is asked for, as none can be given: 403 with the reason."""
        timeless(tenant_path=None)
        assert post_batch(api, **body).status_code == 202
        answer = post_batch(api, "owner", **body)
        assert (answer.status_code, "flight_length has no tenants" in answer.json()["detail"]) == (403, True)
        given = post_batch(api, tenant="EWR", **body)
        assert (given.status_code, given.json()["errors"][0]["field"]) == (422, "tenant")

    @pytest.mark.parametrize("tenant", [{}, {"tenant": "EWR"}])
    @pytest.mark.parametrize(
        ("path", "body"),
        [("batches", {"all": True}), ("prediction-requests", {"features": {"carrier": "UA", "hour": 9}})],
    )
    def test_a_person_without_any_tenant(
        self,
        timeless: Make,
        api: Any,
        users: dict[str, Any],
        path: str,
        body: dict[str, Any],
        tenant: dict[str, str],
    ) -> None:
        """No choice of a tenant would help: 403 with what does."""
        from django.contrib.auth.models import User

        timeless()
        users["nobody"] = User.objects.create_user("test-nobody")
        answer = api("nobody").post(
            f"/api/v1/{path}/", {"model": "flight_length", **body, **tenant}, format="json"
        )
        assert answer.status_code == 403
        assert "test-nobody belongs to no tenant" in answer.json()["detail"]
