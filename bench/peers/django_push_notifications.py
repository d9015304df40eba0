"""django-push-notifications 3.3: `WebPushDevice.objects.all().send_message()` over its own SQLite table."""

import json
import os
import tempfile
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from job import job_run

devices_made = 0


def configure(job: dict[str, Any]) -> None:
    folder = tempfile.mkdtemp()
    key = os.path.join(folder, "vapid.pem")
    with open(key, "w") as file:
        file.write(job["vapid_pem"])
    os.environ["REQUESTS_CA_BUNDLE"] = job["ca"]
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "push_notifications"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(folder, "db")}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PUSH_NOTIFICATIONS_SETTINGS={
            "WP_PRIVATE_KEY": key,
            "WP_CLAIMS": {"sub": job["sub"]},
            "WP_ERROR_TIMEOUT": 10,
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)


def send(job: dict[str, Any]) -> None:
    global devices_made
    if not settings.configured:
        configure(job)
    from push_notifications.models import WebPushDevice

    for number in range(devices_made, job["count"]):
        made = job["subscriptions"][number % len(job["subscriptions"])]
        WebPushDevice.objects.create(
            registration_id=made["endpoint"], p256dh=made["keys"]["p256dh"], auth=made["keys"]["auth"], browser="CHROME"
        )
    devices_made = max(devices_made, job["count"])
    WebPushDevice.objects.filter(id__lte=job["count"]).send_message(json.dumps({"body": job["payload"]}), ttl=60)


job_run(send)
