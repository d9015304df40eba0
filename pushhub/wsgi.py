"""WSGI entry point: granian (or gunicorn) serves `pushhub.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

application = get_wsgi_application()
