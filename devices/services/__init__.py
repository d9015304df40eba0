"""Write devices, their endpoints, and the tenants' provider apps."""

from devices.services.apps import (
    app_create,
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
from devices.services.vapid import default_apps_create, vapid_key_rotate

__all__ = [
    "app_create",
    "app_delete",
    "app_misconfigured",
    "app_update",
    "app_verified",
    "app_verify",
    "default_apps_create",
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
]
