"""What gunicorn serves: ``django_app.config.wsgi:application``."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from django_app.config import select_settings

select_settings()
application = get_wsgi_application()
