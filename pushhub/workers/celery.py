"""The Celery app. It carries wake-ups and runs tasks; the rows in the database are the truth (docs/guarantees.md)."""

import gc
import os

from celery import Celery
from celery.signals import worker_init
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

app = Celery("pushhub", task_cls="pushhub.workers.periodic:PeriodicTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# A worker that loses its broker would return its unacknowledged messages over the lost connection. In kombu 5.7 that
# raises AttributeError, and the worker ends. The messages are wake-ups, which may be lost.
Channel.do_restore = False

# New objects between two garbage collections in a worker. The deliveries in a window alone are thousands of objects.
GC_THRESHOLD = 20_000


@worker_init.connect
def _loaded_objects_freeze(**_: object) -> None:
    """Before the fork: excludes everything that is loaded from garbage collection. Searching through it cost 13 µs per
    delivery."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
