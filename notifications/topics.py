"""Topics: named audiences of users and devices. Set-based and idempotent; the first subscription makes the topic."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from devices.models import Device
from notifications.models import Topic, TopicSubscription
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.retry_on_conflict import retry_on_conflict
from tenants.models import EndUser, Tenant


@dataclass(frozen=True, slots=True)
class Subscribed:
    """How many of those named are subscribed now, new or not, and the devices that are not theirs to name."""

    users: int
    devices: int
    unknown_devices: list[UUID]


def topic_list(*, tenant: Tenant) -> QuerySet[Topic]:
    return Topic.objects.filter(tenant=tenant)


def topic_get_for_tenant(*, tenant: Tenant, name: str) -> Topic:
    """Raises ApiError NOT_FOUND."""
    topic = Topic.objects.filter(tenant=tenant, name=name).first()
    if topic is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such topic.")
    return topic


def topic_ensure(*, tenant: Tenant, name: str) -> Topic:
    """Race-safe get or create."""
    return Topic.objects.get_or_create(tenant=tenant, name=name)[0]


def subscription_list(*, tenant: Tenant, topic: Topic) -> QuerySet[TopicSubscription]:
    return TopicSubscription.objects.filter(tenant=tenant, topic=topic).select_related("user", "device")


def topic_subscribe(
    *, tenant: Tenant, topic: Topic, users: Sequence[str] = (), devices: Sequence[UUID] = (), owner: str | None = None
) -> Subscribed:
    """Subscribe users, known or not yet, and devices; unknown devices are reported, not made.

    With `owner`, another user's devices are as unknown as those that do not exist.
    """
    return retry_on_conflict(lambda: _subscribe(tenant, topic, users, devices, owner))


def _subscribe(
    tenant: Tenant, topic: Topic, users: Sequence[str], devices: Sequence[UUID], owner: str | None
) -> Subscribed:
    people = _users_ensure(tenant, users)
    found = _devices(tenant, devices, owner)
    TopicSubscription.objects.bulk_create(
        [TopicSubscription(tenant=tenant, topic=topic, user_id=pk) for pk in people]
        + [TopicSubscription(tenant=tenant, topic=topic, device_id=pk) for pk in found.values()],
        ignore_conflicts=True,
    )
    return Subscribed(len(people), len(found), [device for device in devices if device not in found])


def topic_unsubscribe(
    *, tenant: Tenant, topic: Topic, users: Sequence[str] = (), devices: Sequence[UUID] = (), owner: str | None = None
) -> int:
    """How many subscriptions ended; those who had none are not an error."""
    gone = Q(user__user_id__in=list(users)) | Q(device_id__in=_devices(tenant, devices, owner).values())
    deleted, _ = TopicSubscription.objects.filter(gone, tenant=tenant, topic=topic).delete()
    return deleted


def _users_ensure(tenant: Tenant, users: Sequence[str]) -> list[int]:
    """Primary keys. Inserted in order of id, so that two requests with the same people do not deadlock."""
    known = EndUser.objects.filter(tenant=tenant, user_id__in=users)
    missing = sorted(set(users) - set(known.values_list("user_id", flat=True)))
    if missing:
        EndUser.objects.bulk_create((EndUser(tenant=tenant, user_id=name) for name in missing), ignore_conflicts=True)
    return sorted(known.all().values_list("pk", flat=True))


def _devices(tenant: Tenant, devices: Sequence[UUID], owner: str | None) -> dict[UUID, int]:
    rows = Device.objects.filter(tenant=tenant, deleted_at=None, device_id__in=list(devices)).order_by("pk")
    if owner is not None:
        rows = rows.filter(user__user_id=owner)
    return dict(rows.values_list("device_id", "pk"))
