"""Periodic tasks run once, however many of their messages have piled up.

An expiry of a message would compare the clocks of two hosts: a worker whose clock is ahead by more than the expiry
would drop every message and never run the task. So beat's messages do not expire. They contain the interval of the
task. When many messages of a task have piled up during an interruption, a worker runs the first one and skips the
others. Only Valkey's clock decides this.
"""

from typing import Any

from celery import Task
from typing_extensions import override

from pushhub.workers.wake import periodic_run_begin

EVERY = "every"  # a header of the message: the interval in seconds


class PeriodicTask(Task[Any, Any]):
    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        every = self.request.get(EVERY)
        return None if every and not periodic_run_begin(self.name, every) else self.run(*args, **kwargs)
