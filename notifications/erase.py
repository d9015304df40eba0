"""Forget a person. Deliveries hold no personal data but keys of rows that are erased elsewhere."""

from django.db.models import Q

from notifications.models import Notification, TopicSubscription
from tenants.models import EndUser


def end_user_erase_step(user: EndUser) -> None:
    """What was addressed to this person alone loses its content; every audience that names them forgets the name.

    The look-up is the `to` column's GIN index, not a walk over the tenant's notifications.
    """
    TopicSubscription.objects.filter(Q(user=user) | Q(device__user=user), tenant_id=user.tenant_id).delete()
    named = Notification.objects.filter(tenant_id=user.tenant_id, to__contains={"users": [user.user_id]})
    for notification in named.only("to").iterator():
        others = [name for name in notification.to["users"] if name != user.user_id]
        named_now = {"to": {"users": others}} | ({} if others else {"content": {}})
        Notification.objects.filter(tenant_id=user.tenant_id, id=notification.id).update(**named_now)
