"""The example project's addresses: admin, API, health."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "django_app.api.pages.bad_request"
handler403 = "django_app.api.pages.denied"
handler404 = "django_app.api.pages.not_found"
handler500 = "django_app.api.pages.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("", include("django_app.urls")),
]
