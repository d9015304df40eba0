"""Passes the request id on to the tasks that a request publishes, so that their log lines can be found together."""

from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

from pushhub.kernel.logging import request_id

HEADER = "x_request_id"


def connect() -> None:
    before_task_publish.connect(_publish)
    task_prerun.connect(_begin)
    task_postrun.connect(_end)


def _publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and request_id.get():
        headers[HEADER] = request_id.get()


def _begin(task: Any = None, task_id: str = "", **_: Any) -> None:
    request_id.set(task.request.get(HEADER) or task_id)


def _end(**_: Any) -> None:
    request_id.set("")
