"""The doors for writing: devices, their endpoints, and the tenants' provider apps."""

from devices.services.apps import (
    AwsAccess,
    app_create_sns,
    app_create_webpush,
    app_delete,
    app_misconfigured,
    app_update,
    app_verified,
    app_verify,
)
from devices.services.endpoints import (
    device_delete,
    device_disable,
    device_enable,
    device_retire,
    devices_erase,
    endpoints_disable,
    endpoints_disappear,
    endpoints_mark_gone,
    endpoints_suspect,
    endpoints_trust,
)
from devices.services.profile import device_update
from devices.services.registration import device_register
from devices.services.vapid import vapid_key_rotate, web_app_create

__all__ = [
    "AwsAccess",
    "app_create_sns",
    "app_create_webpush",
    "app_delete",
    "app_misconfigured",
    "app_update",
    "app_verified",
    "app_verify",
    "device_delete",
    "device_disable",
    "device_enable",
    "device_register",
    "device_retire",
    "device_update",
    "devices_erase",
    "endpoints_disable",
    "endpoints_disappear",
    "endpoints_mark_gone",
    "endpoints_suspect",
    "endpoints_trust",
    "vapid_key_rotate",
    "web_app_create",
]
