"""What every environment shares. Reads the environment once, through `Environment`."""

from __future__ import annotations

from typing import Any

from django_app.config.admin_site import UNFOLD as UNFOLD  # noqa: PLC0414  # a setting of this module
from django_app.config.environment import Environment
from hotclub import names

env = Environment()

SECRET_KEY = env.secret_key.get_secret_value() if env.secret_key else ""
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [env.django_url]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_app.tenants",
    "django_app.contracts",
    "django_app.registry",
    "django_app.ingest",
    "django_app.scoring",
    "django_app.api",
    *env.own_apps("django_app.flights"),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django_app.api.middleware.RefuseNul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "django_app.config.urls"
WSGI_APPLICATION = "django_app.config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
CSRF_FAILURE_VIEW = "django_app.api.pages.csrf_failure"
# The largest body of a request to the API too; a check report is the largest that is sent.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["django_app.config.formats"]

STATIC_URL = "/static/"
# The admin's files are served from the installed packages; nothing has to be collected on one machine.
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["django_app.api.json_body.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "django_app.api.pagination.Pages",
    "EXCEPTION_HANDLER": "django_app.api.exception_handlers.handler",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Hotclub",
    "DESCRIPTION": "The operational API: contracts, deliveries, prediction requests and batches.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The docs page's own files, from the installed package: no script comes from another machine.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatus": "django_app.ingest.models.Delivery.Status",
        "BatchStatus": "django_app.scoring.models.Batch.Status",
        "PredictionRequestStatus": "django_app.scoring.models.PredictionRequest.Status",
    },
}

# What the reusable apps read. They know these names and nothing of `Environment`.
HOTCLUB_LANDING = env.landing
HOTCLUB_ARCHIVE = env.archive
HOTCLUB_CACHE = env.cache
HOTCLUB_MLFLOW_URL = env.mlflow_url
HOTCLUB_AIRFLOW_URL = env.airflow_url
HOTCLUB_AIRFLOW_USERNAME = env.airflow_username
HOTCLUB_AIRFLOW_PASSWORD = env.airflow_password.get_secret_value()

# Celery. JSON only: a message is data, never code.
CELERY_BROKER_URL = env.broker_url.get_secret_value()
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# No task may hold a worker for ever. At the soft limit the task writes the reason to its delivery, chunk or
# request; half a minute later the process is ended. Shorter than the visibility timeout, after which another worker would begin the same task.
CELERY_TASK_SOFT_TIME_LIMIT = 3000
CELERY_TASK_TIME_LIMIT = 3030
CELERY_TASK_DEFAULT_QUEUE = names.QUEUE_SWEEPS
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request must not wait for a broker that is down: the sweep finds what was accepted.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
}
# `expires`: beats that pile up while no worker runs are worth one run, not hundreds.
CELERY_BEAT_SCHEDULE = {
    "landed-files-register": {
        "task": "django_app.ingest.tasks.landed_files_register",
        "schedule": 2.0,
        "options": {"queue": names.QUEUE_INGEST, "expires": 5},
    },
    "ingest-sweep": {
        "task": "django_app.ingest.tasks.sweep",
        "schedule": 20.0,
        "options": {"queue": names.QUEUE_SWEEPS, "expires": 20},
    },
    "scoring-sweep": {
        "task": "django_app.scoring.tasks.sweep",
        "schedule": 20.0,
        "options": {"queue": names.QUEUE_SWEEPS, "expires": 20},
    },
    "registry-sync": {
        "task": "django_app.registry.tasks.versions_sync",
        "schedule": 30.0,
        "options": {"queue": names.QUEUE_SWEEPS, "expires": 30},
    },
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "hotclub.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django_app": {"level": "INFO"},
        "django.request": {"level": "ERROR"},
        "celery": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}
