"""Behind a proxy that ends TLS. Refuses to start without secrets of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from django_app.config.settings.base import *  # noqa: F403  # a settings module is its base plus differences
from django_app.config.settings.base import ALLOWED_HOSTS as _LOCAL_HOSTS
from django_app.config.settings.base import SECRET_KEY as _SECRET_KEY
from django_app.config.settings.base import env

if len(_SECRET_KEY) < 32:
    raise ImproperlyConfigured("HOTCLUB_SECRET_KEY: set a random text of 32 characters or more")

ALLOWED_HOSTS = [*_LOCAL_HOSTS, urlsplit(env.django_url).hostname or ""]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
# Health checks come from inside, without the proxy.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 3600
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
