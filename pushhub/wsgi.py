"""WSGI entry point: granian (or gunicorn) serves `pushhub.wsgi:application`."""

import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from pushhub.reception import Reception

# A thread that unpacks a file of devices gives way to the one that answers requests after so long, not after 5 ms.
sys.setswitchinterval(0.0005)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

application = Reception(get_wsgi_application(), limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
