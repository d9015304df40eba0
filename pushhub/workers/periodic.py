"""Periodic tasks, told apart from a pile of them.

A message's own expiry compares the clocks of two hosts: a worker whose clock is ahead by more than it throws every
message away, and does nothing at all. So beat's messages do not expire. They say how often they are sent, and a worker
that finds a pile of them (it was away) runs one and passes over the rest, by Valkey's clock alone.
"""

from typing import Any

from celery import Task
from typing_extensions import override

from pushhub.workers.wake import turn_begin

EVERY = "every"  # a header of the message: seconds


class PeriodicTask(Task[Any, Any]):
    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        every = self.request.get(EVERY)
        return None if every and not turn_begin(self.name, every) else self.run(*args, **kwargs)
