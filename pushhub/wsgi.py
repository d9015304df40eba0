"""WSGI entry point: granian (or gunicorn) serves `pushhub.wsgi:application`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from pushhub.reception import Reception

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

application = Reception(get_wsgi_application(), limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
