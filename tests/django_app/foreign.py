"""A stranger's Django project: a custom user model, an app of its own with an ``ml.py``, and Hotclub's reusable apps."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from hotclub import names
from tests.conftest import ROOT, Database

SETTINGS = """
import os
from psycopg.conninfo import conninfo_to_dict
parts = conninfo_to_dict(os.environ["DATABASE"])
SECRET_KEY = "a stranger's"
USE_TZ = True
INSTALLED_APPS = [
    "unfold", "unfold.contrib.filters", "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "rest_framework", "rest_framework.authtoken",
    "drf_spectacular", "people", "shop",
    "django_app.tenants", "django_app.contracts", "django_app.registry", "django_app.ingest", "django_app.scoring", "django_app.api",
]
AUTH_USER_MODEL = "people.Person"
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": parts["dbname"], "USER": parts["user"],
    "PASSWORD": parts["password"], "HOST": parts["host"],
    "OPTIONS": {"assume_role": "hotclub_owner"} if parts["user"] == "hotclub_migrator" else {},
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["*"]
STATIC_URL = "/static/"
HOTCLUB_MLFLOW_URL = os.environ.get("MLFLOW", "http://127.0.0.1:1")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "django_app.api.pagination.Pages",
    "EXCEPTION_HANDLER": "django_app.api.exception_handlers.handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}]
"""
URLS = """
from django.contrib import admin
from django.urls import include, path
urlpatterns = [path("admin/", admin.site.urls), path("", include("django_app.urls"))]
"""
PEOPLE = """
from django.contrib.auth.models import AbstractUser
class Person(AbstractUser):
    pass
"""
SHOP = """
from django.db import models
class Order(models.Model):
    number = models.IntegerField(unique=True)
    placed_at = models.DateTimeField()
    country = models.CharField(max_length=2)
    total = models.FloatField()
    paid_on = models.DateField(null=True)
    returned = models.BooleanField(null=True)
"""
ML = """
import datetime as dt
from zoneinfo import ZoneInfo
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import ExtractHour
from hotclub.declarations import Age, Boolean, Category, MLModel, Number
from shop.models import Order
class Returned(MLModel):
    rows = Order.objects.filter(total__gt=0)
    event_time = "placed_at"
    horizon = dt.timedelta(0)
    label = Case(When(returned=True, then=Value(1)), default=Value(0))
    label_known = Q(returned__isnull=False)
    task = "binary"
    metric = "roc_auc"
    timezone = "Europe/Berlin"
    features = {
        "country": Category("country"),
        "total": Number("total", minimum=0, unit="EUR"),
        "hour": Number(ExtractHour("placed_at", tzinfo=ZoneInfo("Europe/Berlin"))),
        "since_paid": Age("paid_on", unit="d", nullable=True),
        "known": Boolean(Q(returned__isnull=False)),
    }
"""


@dataclass
class ForeignProject:
    """The project in a folder, run by subprocess as a stranger would."""

    folder: Path
    database: Database
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))

    def manage(self, *words: str, role: str = names.ROLE_MIGRATOR) -> subprocess.CompletedProcess[str]:
        """Run a management command as a role and return what it said."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE": self.database.url(role),
            **self.environment,
        }
        command = [sys.executable, "-m", "django", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def must(self, *words: str, role: str = names.ROLE_MIGRATOR) -> str:
        """Run a command that has to succeed; return its output."""
        done = self.manage(*words, role=role)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def migration(self, name: str, operation: str, more: str = "") -> None:
        """Write a migration of the shop app that follows the newest one; `more` is a line of its class."""
        folder = self.folder / "shop" / "migrations"
        newest = max(path.stem for path in folder.glob("0*.py"))
        text = (
            "from django.db import migrations, models\n"
            "class Migration(migrations.Migration):\n"
            f"    dependencies = [('shop', '{newest}')]\n"
            f"    {more or 'atomic = True'}\n"
            f"    operations = [{operation}]\n"
        )
        (folder / f"{int(newest[:4]) + 1:04d}_{name}.py").write_text(text)


def make_foreign_project(
    folder: Path, database: Database, *, shop: str = SHOP, ml: str = ML, role: str = names.ROLE_MIGRATOR
) -> ForeignProject:
    """Write the project and make its migrations.

    Args:
        folder: where it goes.
        database: what it runs on.
        shop: the models of its own app.
        ml: that app's declarations.
        role: the login that makes migrations.
    """
    project = ForeignProject(folder, database)
    project.write("settings.py", SETTINGS)
    project.write("urls.py", URLS)
    for app, models in (("people", PEOPLE), ("shop", shop)):
        project.write(f"{app}/__init__.py", "")
        project.write(f"{app}/migrations/__init__.py", "")
        project.write(f"{app}/models.py", models)
    project.write("shop/ml.py", ml)
    project.must("makemigrations", "people", "shop", role=role)
    return project
