"""The log lines of a task have the id of the request that published the task."""

from typing import Any

from celery import Celery
from celery.signals import before_task_publish, task_postrun, task_prerun

from pushhub.kernel.logging import request_id
from pushhub.workers.trace import HEADER


def test_a_published_task_has_the_request_id() -> None:
    headers: dict[str, Any] = {}
    token = request_id.set("abc-1")
    before_task_publish.send(sender="x", headers=headers)
    request_id.reset(token)
    assert headers == {HEADER: "abc-1"}


def test_a_task_published_outside_of_a_request_has_no_request_id() -> None:
    headers: dict[str, Any] = {}
    before_task_publish.send(sender="x", headers=headers)
    assert headers == {}


def _nothing() -> None: ...


def test_the_request_id_is_set_while_the_task_runs() -> None:
    task = Celery("test", set_as_current=False).task(_nothing)
    task.push_request(**{HEADER: "abc-1"})
    task_prerun.send(sender=task, task=task, task_id="t-1")
    during = request_id.get()
    task_postrun.send(sender=task, task=task, task_id="t-1")
    task.pop_request()
    assert (during, request_id.get()) == ("abc-1", "")
