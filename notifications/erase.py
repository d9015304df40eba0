"""Forget a person. Deliveries hold no personal data but keys of rows that are erased elsewhere."""

from uuid import UUID

from django.db.models import Q

from devices.models import Device
from notifications.models import Notification, TopicSubscription
from tenants.models import EndUser


def end_user_erase_step(user: EndUser) -> None:
    """What was addressed to this person alone, or to their devices, loses its content; every audience that names them
    forgets the name.

    The look-up is the `to` column's GIN index, not a walk over the tenant's notifications.
    """
    TopicSubscription.objects.filter(Q(user=user) | Q(device__user=user), tenant_id=user.tenant_id).delete()
    _forget(user.tenant_id, "users", user.user_id)
    for device_id in Device.objects.filter(tenant_id=user.tenant_id, user=user).values_list("device_id", flat=True):
        _forget(user.tenant_id, "devices", str(device_id))


def _forget(tenant_id: UUID, kind: str, name: str) -> None:
    named = Notification.objects.filter(tenant_id=tenant_id, to__contains={kind: [name]})
    for notification in named.only("to").iterator():
        others = [other for other in notification.to[kind] if other != name]
        left = {"to": {kind: others}} | ({} if others else {"content": {}})
        Notification.objects.filter(tenant_id=tenant_id, id=notification.id).update(**left)
