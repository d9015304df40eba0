"""django-push-notifications 3.3: `WebPushDevice.objects.all().send_message()` over its own SQLite table."""

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from workload import workload_run


def prepare(workload: dict[str, Any]) -> Callable[[int], None]:
    folder = tempfile.mkdtemp()
    key = os.path.join(folder, "vapid.pem")
    with open(key, "w") as file:
        file.write(workload["vapid_pem"])
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "push_notifications"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(folder, "db")}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PUSH_NOTIFICATIONS_SETTINGS={
            "WP_PRIVATE_KEY": key,
            "WP_CLAIMS": {"sub": workload["sub"]},
            "WP_ERROR_TIMEOUT": 10,
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from push_notifications.models import WebPushDevice

    for number in range(workload["count"]):
        made = workload["subscriptions"][number % len(workload["subscriptions"])]
        WebPushDevice.objects.create(
            registration_id=made["endpoint"], p256dh=made["keys"]["p256dh"], auth=made["keys"]["auth"], browser="CHROME"
        )
    message = json.dumps({"body": workload["payload"]})
    return lambda count: WebPushDevice.objects.filter(id__lte=count).send_message(message, ttl=60)


workload_run(prepare)
