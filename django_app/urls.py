"""Every address of the reusable apps, for a project's own ``urls.py``: ``path("", include("django_app.urls"))``."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from django_app.api import health
from django_app.api.exception_handlers import not_found
from django_app.contracts.api.urls import ROUTES as CONTRACTS
from django_app.ingest.api.urls import ROUTES as INGEST
from django_app.scoring.api.urls import ROUTES as SCORING

router = SimpleRouter()
for prefix, viewset, basename in (*CONTRACTS, *INGEST, *SCORING):
    router.register(prefix, viewset, basename=basename)

# The schema tells nothing that the public source does not; the data behind it needs a token.
OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}
api: list[URLPattern | URLResolver] = [
    path("v1/", include((router.urls, "api"), namespace="v1")),
    path("schema/", SpectacularAPIView.as_view(**OPEN), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema", **OPEN), name="docs"),
    re_path("", not_found),
]
urlpatterns = [
    path("api/", include(api)),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]
