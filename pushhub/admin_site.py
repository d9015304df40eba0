"""The appearance of the operators' console: its badge and its navigation. Its pages are in the admin.py of each app."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static

# Apps and their models in the order in which an operator needs them. Others come last.
ORDER = ["notifications", "devices", "avatars", "tenants", "events", "auth"]
ICONS = {
    "notification": "notifications",
    "delivery": "local_shipping",
    "topic": "topic",
    "topicsubscription": "group_add",
    "hold": "front_hand",
    "lane": "alt_route",
    "budget": "speed",
    "parkedreceipt": "hourglass_top",
    "device": "smartphone",
    "app": "apps",
    "vapidkey": "vpn_key",
    "job": "upload_file",
    "joberror": "report",
    "awsquota": "speed",
    "callbackreceipt": "mark_email_read",
    "avatar": "account_circle",
    "avatarpolicy": "policy",
    "tenant": "domain",
    "enduser": "person",
    "apikey": "key",
    "identitykey": "fingerprint",
    "idempotencyrecord": "repeat",
    "event": "history",
    "user": "admin_panel_settings",
    "group": "groups",
}
TITLES = {"auth": "Operators"}


def environment(request: HttpRequest) -> list[str]:
    """The text and the colour of Unfold's badge."""
    return ["production", "danger"] if settings.PUSHHUB_PRODUCTION else ["this machine", "info"]


def stylesheet(request: HttpRequest) -> str:
    return static("pushhub/admin.css")


def icon(request: HttpRequest) -> str:
    return static("pushhub/icon.svg")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """One group for each app, with the models that this operator may see."""
    apps = sorted(admin.site.get_app_list(request), key=lambda app: _place(app["app_label"], ORDER))
    return [
        {
            "title": TITLES.get(app["app_label"], app["name"]),
            "separator": True,
            "items": [
                _item(model) for model in sorted(app["models"], key=lambda model: _place(_name(model), [*ICONS]))
            ],
        }
        for app in apps
    ]


def _item(model: dict[str, Any]) -> dict[str, Any]:
    icon = ICONS.get(_name(model), "table_rows")
    return {"title": str(model["name"]), "icon": icon, "link": model["admin_url"]}


def _name(model: dict[str, Any]) -> str:
    return str(model["object_name"]).lower()


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else len(order)
