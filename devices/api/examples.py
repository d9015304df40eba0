"""The bodies shown in the OpenAPI description."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

from pushhub.http.openapi import page_of

DEVICE_ID = "7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11"
MOMENT = "2026-11-25T09:30:00.120000Z"
PUBLIC_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"

REGISTRATIONS = [
    OpenApiExample(
        "A browser",
        request_only=True,
        value={
            "platform": "web",
            "subscription": {
                "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABl",
                "expirationTime": None,
                "keys": {
                    "p256dh": PUBLIC_KEY,
                    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                },
            },
            "user_id": "alice",
            "locale": "pt-BR",
            "timezone": "America/Sao_Paulo",
        },
    ),
    OpenApiExample(
        "An iPhone",
        request_only=True,
        value={"platform": "ios", "app": "acme-ios", "token": "0f" * 32, "user_id": "alice", "app_version": "4.2.0"},
    ),
]
UPDATES = [
    OpenApiExample("Log out", request_only=True, value={"user_id": None}),
    OpenApiExample("Tag", request_only=True, value={"tags": ["beta"], "attributes": {"plan": "pro"}}),
]
APPS = [
    OpenApiExample(
        "Amazon SNS, by a role",
        request_only=True,
        value={
            "name": "acme-ios",
            "provider": "sns",
            "platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme",
            "role_arn": "arn:aws:iam::123456789012:role/pushhub",
        },
    ),
    OpenApiExample(
        "Web push, with a key made here",
        request_only=True,
        value={"name": "shop", "provider": "webpush", "vapid": {"sub": "mailto:push@example.com"}},
    ),
]
APP_UPDATES = [
    OpenApiExample("Hold its deliveries back", request_only=True, value={"enabled": False}),
    OpenApiExample("Another role", request_only=True, value={"role_arn": "arn:aws:iam::123456789012:role/pushhub-2"}),
]
APP_ROTATIONS = [
    OpenApiExample("A key made here", request_only=True, value={"sub": "mailto:push@example.com"}),
]

DEVICE: dict[str, Any] = {
    "device_id": DEVICE_ID,
    "user_id": "alice",
    "platform": "web",
    "app": "web",
    "mapping_id": "0199c0de-7a11-7c0d-9a3e-3f1d2b4c5d6e",
    "endpoint": {"state": "active", "reason": "", "changed_at": MOMENT},
    "locale": "pt-BR",
    "timezone": "America/Sao_Paulo",
    "app_version": "",
    "os_version": "",
    "attributes": {"plan": "pro"},
    "tags": ["beta"],
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "last_seen_at": MOMENT,
}
SHOWN_ONCE = "phd_0199c0de7a007e5b8d2c6f4a1b3c5d7e_Jx0mWc3yRz5n8uQ2sV7bLk1tDf4gHa6pEo9iXrCvNwM"
REGISTERED = DEVICE | {"device_secret": SHOWN_ONCE}
DEVICES = page_of(DEVICE)

VAPID_KEY = {
    "key_id": "0199c0de-7b02-7a4f-8c11-5b0f6d1e2a3c",
    "application_server_key": PUBLIC_KEY,
    "sub": "mailto:push@example.com",
    "created_at": MOMENT,
}
WEBPUSH_APP: dict[str, Any] = {
    "id": "0199c0de-7b00-7d3e-b0a5-8c7e6f5d4c3b",
    "name": "shop",
    "provider": "webpush",
    "platform_application_arn": "",
    "region": "",
    "credential_kind": "none",
    "role_arn": "",
    "event_topic_arn": "",
    "vapid_keys": [VAPID_KEY],
    "state": "active",
    "state_reason": "",
    "verifying": False,
    "verified_at": None,
    "created_at": MOMENT,
}
SNS_APP = WEBPUSH_APP | {
    "id": "0199c0de-7c55-7b1a-9f00-1a2b3c4d5e6f",
    "name": "acme-ios",
    "provider": "sns",
    "platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme",
    "region": "eu-west-1",
    "credential_kind": "role",
    "role_arn": "arn:aws:iam::123456789012:role/pushhub",
    "vapid_keys": [],
    "verified_at": MOMENT,
}
SNS_APP_NEW = SNS_APP | {"verifying": True, "verified_at": None}
APP_PAGE = page_of(SNS_APP, WEBPUSH_APP)
WEBPUSH_CONFIG = {"application_server_key": PUBLIC_KEY, "key_id": VAPID_KEY["key_id"]}
