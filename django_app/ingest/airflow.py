"""The Airflow that Django's settings name."""

from __future__ import annotations

from django_app.conf import hotclub_settings
from hotclub.airflow_rest import Airflow


def from_settings() -> Airflow:
    """Return a client for one task's few calls."""
    return Airflow(
        hotclub_settings.airflow_url, hotclub_settings.airflow_username, hotclub_settings.airflow_password
    )
