"""A worker process that kills itself at one moment of one step: `kill_at.py <step> <before|after|settled>`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import django

django.setup()

from avatars.states import WorkflowStep  # noqa: E402
from avatars.workflow import saga  # noqa: E402


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(step: WorkflowStep, moment: str) -> None:
    real_step = saga.STEPS[step]

    def doing(avatar: Any) -> Any:
        if moment == "before":
            die()
        settle = real_step(avatar)
        if moment == "after":
            die()
        return settle

    def calls(avatars: Any) -> Iterator[Any]:
        for avatar, result in saga.WORKFLOW.calls(avatars):
            step_done = avatar.step
            yield avatar, result
            if moment == "settled" and step_done == step:  # the generator goes on after the settle
                die()

    saga.STEPS[step] = doing
    while replace(saga.WORKFLOW, calls=calls).step():
        pass


if __name__ == "__main__":
    main(WorkflowStep(sys.argv[1]), sys.argv[2])
