"""The settings of every installation. Addresses, secrets and limits come from the environment (docs/operations/)."""

from ipaddress import ip_network
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pushhub.kernel.env import EnvironmentInvalid, env_address, env_bool, env_int, env_list, env_str
from pushhub.kernel.logging import logging_config
from pushhub.settings.avatars import *  # noqa: F403
from pushhub.settings.beat import CELERY_BEAT_SCHEDULE as CELERY_BEAT_SCHEDULE
from pushhub.settings.broker import *  # noqa: F403


def database_from_url(url: str) -> dict[str, Any]:
    """Django's dictionary for `postgresql://user:password@host:port/name?option=value`. The options go to libpq."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise EnvironmentInvalid("DATABASE_URL must start with postgresql:// — PostgreSQL is the only database.")
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "pushhub.kernel.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or 5432,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Without a threshold psycopg prepares no statement, not even on request. Django's own statements are not
        # prepared.
        "OPTIONS": {"connect_timeout": 5, "application_name": "pushhub", "prepare_threshold": 1, **options},
    }


BASE_DIR = Path(__file__).resolve().parent.parent.parent
DEBUG = False
SECRET_KEY = env_str("SECRET_KEY")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", default="127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "pushhub.apps.PushhubConfig",
    "tenants",
    "events",
    "devices",
    "notifications",
    "avatars",
]

MIDDLEWARE = [
    "pushhub.http.middleware.RequestIdMiddleware",
    "pushhub.http.middleware.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "tenants.middleware.RateLimitMiddleware",
    "pushhub.http.middleware.BodyLimitMiddleware",
    "pushhub.http.middleware.ConsoleQueryMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pushhub.http.middleware.ApiErrorMiddleware",
]

ROOT_URLCONF = "pushhub.urls"
WSGI_APPLICATION = "pushhub.asgi.django_application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database_from_url(env_str("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = env_str("CACHE_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            "serializer": "pushhub.kernel.cache.JsonSerializer",
        },
    },
}

CELERY_WORKER_HIJACK_ROOT_LOGGER = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["pushhub.formats"]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.authentication.ServerKeyAuthentication",
        "tenants.authentication.UserTokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.permissions.ScopePermission"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.throttling.TenantThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["pushhub.http.parsing.StrictJSONParser"],
    "EXCEPTION_HANDLER": "pushhub.http.problems.problem_handler",
    "DEFAULT_SCHEMA_CLASS": "pushhub.http.openapi.ProblemAutoSchema",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "pushhub",
    "DESCRIPTION": "Push notifications for many tenants, through Amazon SNS and web push.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/(v1|callbacks)/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SERVERS": [{"url": "/"}],
    "ENUM_NAME_OVERRIDES": {
        "AppState": "devices.models.AppState.values",
        "EndpointState": "devices.models.EndpointState.values",
        "DeliveryState": "notifications.states.DeliveryState.values",
        "LiveEndpointState": "devices.bulk.serializers.LIVE_STATES",
        "JobState": "devices.bulk.serializers.STATES",
        "NotificationState": "notifications.states.NotificationState.values",
        "AvatarState": "avatars.states.AvatarState.values",
        "ErrorCode": "pushhub.http.openapi.ERROR_CODES",
    },
}

# The limit on one request body. A larger one gets a 413 and is not read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

CORS_URLS_REGEX = r"^/v1/.*$"
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "device-secret",
    "idempotency-key",
    "x-request-id",
    "if-none-match",
]
CORS_EXPOSE_HEADERS = [
    "etag",
    "idempotency-replayed",
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-request-id",
]
CORS_PREFLIGHT_MAX_AGE = 600

UNFOLD = {
    "SITE_TITLE": "pushhub",
    "SITE_HEADER": "pushhub",
    "SITE_SYMBOL": "notifications_active",
    "ENVIRONMENT": "pushhub.admin_site.environment",
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "pushhub.admin_site.icon"}],
    "STYLES": ["pushhub.admin_site.stylesheet"],
    "SIDEBAR": {"show_search": True, "navigation": "pushhub.admin_site.navigation"},
}

LOGGING = logging_config(json=env_bool("LOG_JSON", default=True), level=env_str("LOG_LEVEL", "INFO"))

PUSHHUB_ALLOWED_PRIVATE_NETWORKS = [ip_network(network) for network in env_list("PUSHHUB_ALLOWED_PRIVATE_NETWORKS")]
PUSHHUB_DEVICE_VERIFY_HOURS = env_int("PUSHHUB_DEVICE_VERIFY_HOURS", default=24)
# The limit on one imported file, unpacked.
PUSHHUB_IMPORT_MAX_BYTES = env_int("PUSHHUB_IMPORT_MAX_BYTES", default=256 * 1024 * 1024)
# How long an upload may take: it occupies one of few threads.
PUSHHUB_UPLOAD_SECONDS = env_int("PUSHHUB_UPLOAD_SECONDS", default=600)
# The number of open jobs per tenant: their files wait in the database.
PUSHHUB_JOBS_PER_TENANT = env_int("PUSHHUB_JOBS_PER_TENANT", default=10)
PUSHHUB_DEVICE_RETIRE_DAYS = env_int("PUSHHUB_DEVICE_RETIRE_DAYS", default=270)
# The contact in VAPID tokens (RFC 8292 §2.1) of tenants without their own contact: a working mailto: or https: of the
# operator.
PUSHHUB_VAPID_SUB = env_str("PUSHHUB_VAPID_SUB", "") or "mailto:webmaster@example.com"
# Per dispatch process: the number of requests in flight, the seconds to wait for a response, and the seconds until
# another worker may claim the delivery. The lease must be longer than a response and its settling. The results of a
# worker that stopped for longer are dropped.
PUSHHUB_WINDOW = env_int("PUSHHUB_WINDOW", default=512)
PUSHHUB_SEND_SECONDS = env_int("PUSHHUB_SEND_SECONDS", default=10)
PUSHHUB_LEASE_SECONDS = env_int("PUSHHUB_LEASE_SECONDS", default=60)
# The seconds after which a dispatch task ends and wakes the next one: far below any broker's visibility timeout.
PUSHHUB_TURN_SECONDS = env_int("PUSHHUB_TURN_SECONDS", default=10)
# Which code creates requests to vendors. native: pushhub's own code. Other values: the usual libraries.
PUSHHUB_WEBPUSH_ENCODER = env_str("PUSHHUB_WEBPUSH_ENCODER", "native")
PUSHHUB_SNS_SIGNER = env_str("PUSHHUB_SNS_SIGNER", "native")
PUSHHUB_DELIVERY_RETENTION_DAYS = env_int("PUSHHUB_DELIVERY_RETENTION_DAYS", default=30)
PUSHHUB_EVENT_RETENTION_DAYS = env_int("PUSHHUB_EVENT_RETENTION_DAYS", default=90)
PUSHHUB_RATE_LIMIT_PER_MINUTE = env_int("PUSHHUB_RATE_LIMIT_PER_MINUTE", default=12_000)
# Per web process: the threads that handle requests to the API. Each has a database connection.
PUSHHUB_WEB_THREADS = env_int("PUSHHUB_WEB_THREADS", default=4)
# The number of proxies in front of the service that append to X-Forwarded-For.
PUSHHUB_TRUSTED_PROXIES = env_int("PUSHHUB_TRUSTED_PROXIES", default=0)
PUSHHUB_DEMO = False
PUSHHUB_PRODUCTION = False

# Who may read /metrics: callers with the token or, if no token is set, direct peers in these networks.
METRICS_TOKEN = env_str("METRICS_TOKEN", "")
METRICS_NETWORKS = [ip_network(network) for network in env_list("METRICS_NETWORKS", default="127.0.0.1/32,::1/128")]
# The address where a worker serves /metrics itself. It is needed only if no web process reports the worker's metrics.
METRICS_LISTEN = env_address("METRICS_LISTEN")
if METRICS_LISTEN and not environ.get("PROMETHEUS_MULTIPROC_DIR"):
    raise EnvironmentInvalid(
        "METRICS_LISTEN needs PROMETHEUS_MULTIPROC_DIR: the child processes of a worker count, and its parent reports."
    )
