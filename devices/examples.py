"""The bodies shown in the OpenAPI description."""

from drf_spectacular.utils import OpenApiExample

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
                    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
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
