"""The periodic tasks and their intervals. After an interruption a worker runs each task once, however many messages
wait: see `pushhub.workers.periodic`."""

from typing import Any

from pushhub.workers.brokers import CONFIRM_SECONDS


def _every(seconds: int, task: str, queue: str) -> dict[str, Any]:
    options = {"queue": queue, "headers": {"every": seconds}, "confirm_timeout": CONFIRM_SECONDS}
    return {"task": task, "schedule": seconds, "options": options}


CELERY_BEAT_SCHEDULE = {
    "notifications": _every(1, "notifications.tasks.second", "upkeep"),
    "notifications-minutes": _every(300, "notifications.tasks.minutes", "upkeep"),
    "provision": _every(2, "devices.tasks.provision_run", "registry"),
    "jobs": _every(5, "devices.bulk.tasks.jobs_run", "registry"),
    "jobs-upkeep": _every(300, "devices.bulk.tasks.jobs_upkeep", "upkeep"),
    "apps-verify": _every(60, "devices.tasks.apps_verify", "registry"),
    "subscriptions-confirm": _every(30, "devices.tasks.subscriptions_confirm", "registry"),
    "avatars-workflow": _every(2, "avatars.tasks.workflow_run", "avatars"),
    "avatars-sweep": _every(5, "avatars.tasks.sweep_run", "avatars"),
    "avatars-subscriptions": _every(30, "avatars.tasks.subscriptions_confirm", "avatars"),
    "avatars": _every(60, "avatars.tasks.avatars_upkeep", "avatars"),
    "events": _every(300, "events.tasks.events_upkeep", "upkeep"),
    "devices": _every(300, "devices.tasks.devices_upkeep", "upkeep"),
}
