"""The scopes of server keys. Each view declares the scope that each of its methods needs."""

from enum import StrEnum


class Scope(StrEnum):
    NOTIFICATIONS_WRITE = "notifications:write"
    NOTIFICATIONS_READ = "notifications:read"
    DEVICES_WRITE = "devices:write"
    DEVICES_READ = "devices:read"
    USERS_WRITE = "users:write"
    USERS_READ = "users:read"
    APPS_WRITE = "apps:write"
    APPS_READ = "apps:read"
    TOPICS_WRITE = "topics:write"
    TOPICS_READ = "topics:read"
    EVENTS_READ = "events:read"
    AVATARS_WRITE = "avatars:write"
    AVATARS_READ = "avatars:read"


ALL_SCOPES: frozenset[str] = frozenset(Scope)
