"""What a server key may do. Each view names the scope of each of its methods."""

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
