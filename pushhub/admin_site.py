"""How the console looks: its badge and its navigation. What it can do stands in each room's admin.py."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

ICONS = {
    "tenant": "domain",
    "apikey": "key",
    "identitykey": "fingerprint",
    "enduser": "person",
    "idempotencyrecord": "repeat",
    "app": "apps",
    "vapidkey": "vpn_key",
    "device": "smartphone",
    "awsquota": "speed",
    "callbackreceipt": "mark_email_read",
    "notification": "notifications",
    "delivery": "local_shipping",
    "topic": "topic",
    "event": "history",
    "user": "admin_panel_settings",
    "group": "groups",
}


def environment(request: HttpRequest) -> list[str]:
    """Unfold's badge: words and colour."""
    return ["production", "danger"] if settings.PUSHHUB_PRODUCTION else ["this machine", "info"]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """One group per room, of the models this operator may see."""
    return [
        {
            "title": app["name"],
            "separator": True,
            "items": [
                {
                    "title": str(model["name"]),
                    "icon": ICONS.get(model["object_name"].lower(), "table_rows"),
                    "link": model["admin_url"],
                }
                for model in app["models"]
            ],
        }
        for app in admin.site.get_app_list(request)
    ]
