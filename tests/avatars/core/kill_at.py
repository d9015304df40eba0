"""A worker process that kills itself at one moment of one step: `kill_at.py <step> <before|after|settled>`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django

django.setup()

from avatars.states import Step  # noqa: E402
from avatars.workflow import saga  # noqa: E402


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(step: Step, moment: str) -> None:
    real_step, real_settled = saga.STEPS[step], saga.settled

    def doing(avatar: Any) -> Any:
        if moment == "before":
            die()
        settle = real_step(avatar)
        if moment == "after":
            die()
        return settle

    def settling(avatar: Any, settle: Any, *, milliseconds: int) -> bool:
        done = real_settled(avatar, settle, milliseconds=milliseconds)
        if moment == "settled" and avatar.step == step:
            die()
        return done

    saga.STEPS[step] = doing
    saga.settled = settling
    while saga.workflow_step():
        pass


if __name__ == "__main__":
    main(Step(sys.argv[1]), sys.argv[2])
