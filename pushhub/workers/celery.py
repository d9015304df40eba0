"""The Celery app: it carries wake-ups and executes; the rows are the truth (docs/guarantees.md)."""

import gc
import os

from celery import Celery
from celery.signals import worker_init
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

app = Celery("pushhub", task_cls="pushhub.workers.periodic:PeriodicTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# A worker that loses its broker gives unacknowledged messages back, over the connection that it has just lost: in kombu
# 5.7 that is an AttributeError, and the worker ends. Ours are wake-ups, which nobody misses.
Channel.do_restore = False

YOUNG = 20_000  # objects between looks for garbage in a worker: the window's deliveries alone are thousands


@worker_init.connect
def _modules_keep(**_: object) -> None:
    """Before the fork: what is loaded by now is never garbage. Looking through it cost each delivery 13 µs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
