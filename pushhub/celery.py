"""The Celery app: it carries wake-ups and executes; the rows are the truth (docs/guarantees.md)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

app = Celery("pushhub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
