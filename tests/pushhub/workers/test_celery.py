from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from celery.signals import worker_init

from pushhub.workers.celery import YOUNG


@pytest.fixture(autouse=True)
def _this_process_is_no_worker() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_worker_never_looks_for_garbage_in_what_it_has_loaded() -> None:
    worker_init.send(sender=None)
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == YOUNG
