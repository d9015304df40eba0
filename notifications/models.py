"""What is sent, to whom, and with which result."""

import uuid
from datetime import UTC, datetime

from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from typing_extensions import override

from devices.models import App, Device
from notifications.states import FAILED, DeliveryClass, DeliveryState, NotificationState
from pushhub.kernel.ids import uuid7
from tenants.models import EndUser, Tenant

SOMETHING_QUEUED = datetime(2000, 1, 1, tzinfo=UTC)  # before any due time: `next_due_at >= …` means "not null"


class Topic(models.Model):
    """A named audience of users and devices."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="topics")
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="topic_name")]

    @override
    def __str__(self) -> str:
        return self.name


class TopicSubscription(models.Model):
    """A user (with all devices that the user has when a message is sent) or one device, subscribed to a topic."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="subscriptions")
    user = models.ForeignKey(EndUser, null=True, on_delete=models.CASCADE, related_name="topic_subscriptions")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="topic_subscriptions")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "topic", "user"], condition=Q(device=None), name="topic_subscription_user"
            ),
            models.UniqueConstraint(
                fields=["tenant", "topic", "device"], condition=Q(user=None), name="topic_subscription_device"
            ),
            models.CheckConstraint(
                condition=Q(user=None, device__isnull=False) | Q(user__isnull=False, device=None),
                name="topic_subscription_one",
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.topic_id}: {self.user_id or self.device_id}"


class Notification(models.Model):
    """One accepted `POST /v1/notifications`. The row and, for a small audience, its deliveries commit together."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="notifications")
    delivery_class = models.CharField(max_length=13, choices=DeliveryClass)
    to = models.JSONField(help_text="The audience as requested: {users}, {devices}, {topic} or {all}.")
    content = models.JSONField(help_text="title, body, url, icon, image, actions, badge, data and overrides.")
    category = models.CharField(max_length=64, blank=True)
    ttl = models.PositiveIntegerField(help_text="Seconds.")
    urgency = models.CharField(max_length=8)
    collapse_key = models.CharField(max_length=64, blank=True)
    silent = models.BooleanField(default=False)
    rate = models.PositiveIntegerField(null=True, help_text="The maximum number of deliveries per second.")
    send_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(help_text="No attempt is made after it.")

    state = models.CharField(max_length=10, choices=NotificationState)
    created_at = models.DateTimeField(db_default=Now())
    cancelled_at = models.DateTimeField(null=True)
    expanded_at = models.DateTimeField(null=True, help_text="When deliveries had been made for the whole audience.")
    completed_at = models.DateTimeField(null=True)
    expansion_cursor = models.BigIntegerField(default=0, help_text="The greatest Device.id with a delivery.")
    expansion_due_at = models.DateTimeField(
        null=True, help_text="When the next chunk may be expanded; null = nothing is left to expand."
    )
    total = models.PositiveBigIntegerField(default=0, help_text="Deliveries made so far, kept by the expansion.")
    counts = models.JSONField(default=dict, help_text="Deliveries by state; upkeep adds the deltas.")
    delays = models.JSONField(
        default=dict, help_text="Delays until the vendor accepted, a histogram: log bucket → deliveries."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=NotificationState.values), name="notification_state")
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="notification_tenant"),
            # Lists by state: the few notifications that are not completed among the many that are.
            models.Index(
                fields=["tenant", "state", "id"],
                name="notification_unfinished",
                condition=Q(state__in=["scheduled", "queued", "sending", "cancelled"]),
            ),
            models.Index(
                fields=["expansion_due_at"], name="notification_expansion", condition=Q(expansion_due_at__isnull=False)
            ),
            models.Index(
                fields=["expanded_at"],
                name="notification_open",
                condition=Q(completed_at=None, expanded_at__isnull=False),
            ),
            models.Index(
                fields=["cancelled_at"],
                name="notification_cancelled",
                condition=Q(completed_at=None, cancelled_at__isnull=False),
            ),
            # Erasing a person: the notifications that name the person.
            GinIndex(fields=["to"], name="notification_to", opclasses=["jsonb_path_ops"]),
        ]

    @override
    def __str__(self) -> str:
        return str(self.id)


class ExpansionTurn(models.Model):
    """When a chunk was last expanded for a tenant: the tenant whose last chunk is longest ago is next."""

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="+")
    served_at = models.DateTimeField(db_default=Now())

    @override
    def __str__(self) -> str:
        return f"{self.tenant_id} {self.served_at}"


class Lane(models.Model):
    """Deliveries of one (tenant, app, class). Its row is never locked while deliveries are sent.

    Deliveries to a held push origin wait in a separate lane, which is always paused; a hold fills and empties it.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="lanes")
    delivery_class = models.CharField(max_length=13, choices=DeliveryClass)
    push_origin = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Of held deliveries; empty for other lanes.",
    )
    next_due_at = models.DateTimeField(null=True, help_text="No delivery is due earlier; null = none is queued.")
    rate_limited_until = models.DateTimeField(null=True, help_text="Until then a used-up rate limit prevents claims.")
    served = models.BigIntegerField(
        db_default=0, help_text="Deliveries claimed for the tenant in this class; the tenant with the fewest is next."
    )
    served_at = models.DateTimeField(db_default=Now())
    paused_at = models.DateTimeField(null=True)
    paused_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "app", "delivery_class", "push_origin"], name="lane_key_origin")
        ]
        indexes = [
            # The pick: due lanes of a class, first those of the tenant served least, then the lane whose last pick is
            # longest ago. Idle lanes are not in the index.
            models.Index(
                fields=["delivery_class", "served", "served_at"],
                name="lane_due",
                condition=Q(next_due_at__isnull=False, paused_at=None),
            ),
            # The lanes that are charged together. The condition is written so that the pick cannot use this index in
            # place of lane_due, which is in the order of picking.
            models.Index(fields=["tenant"], name="lane_shared", condition=Q(next_due_at__gte=SOMETHING_QUEUED)),
        ]

    @override
    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.tenant_id), str(self.app_id), self.delivery_class, self.push_origin]))


class RateLimit(models.Model):
    """A token bucket of deliveries per second, shared by all workers. It holds one second's tokens at most.

    `name` says whose: `sns <account> <region>`, AWS's quota of Publish calls, or `tenant <id>`, the tenant's own cap.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1)],
        help_text="Deliveries per second that AWS granted; empty = AWS's default for the region, or the tenant's cap.",
    )
    tokens = models.FloatField()
    refilled_at = models.DateTimeField(db_default=Now())

    @override
    def __str__(self) -> str:
        return self.name


class LaneWakeup(models.Model):
    """A lane has a delivery due at this time: appended when one is queued, applied to the lane by a dispatcher.

    Appending instead of updating keeps the accepting transaction free of a lock that all POSTs of a tenant would share.
    """

    id = models.BigAutoField(primary_key=True)
    lane_id = models.BigIntegerField()
    due_at = models.DateTimeField()

    @override
    def __str__(self) -> str:
        return f"{self.lane_id} {self.due_at}"


class Delivery(models.Model):
    """One notification to one device: the outbox. Range-partitioned by its UUIDv7 id; no foreign-key constraints.

    The constraints make inserts 2.7 times as expensive. Upkeep deletes a tenant's rows instead.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    notification = models.ForeignKey(
        Notification, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries"
    )
    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries"
    )
    lane = models.ForeignKey(Lane, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    generation = models.PositiveIntegerField(help_text="The device's mapping when the delivery was made.")
    state = models.CharField(max_length=11, choices=DeliveryState, default=DeliveryState.QUEUED)
    due_at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Vendor answers and transport errors so far.")
    lost_leases = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, help_text="The token of the claim: only the worker that has it may settle.")
    lease_expires_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    provider_message_id = models.CharField(max_length=200, blank=True, default="", db_default="")
    reason = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="pushhub's reason, or the vendor's code."
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state")]
        indexes = [
            models.Index(fields=["lane", "due_at"], name="delivery_due", condition=Q(state="queued")),
            models.Index(fields=["lease_expires_at"], name="delivery_leased", condition=Q(state="sending")),
            models.Index(fields=["notification", "id"], name="delivery_notification"),
            # The few that failed among millions: lists by state, and redriving dead deliveries.
            models.Index(fields=["notification", "state", "id"], name="delivery_failed", condition=Q(state__in=FAILED)),
            # The deliveries of one device. The expansion inserts in Device.id order, so the index grows in few places.
            models.Index(fields=["device", "id"], name="delivery_device"),
            models.Index(
                fields=["provider_message_id"], name="delivery_message_id", condition=~Q(provider_message_id="")
            ),
        ]

    @override
    def __str__(self) -> str:
        return str(self.id)


class CountDelta(models.Model):
    """What one transaction changed in a notification's counts (`notifications.counts`)."""

    id = models.BigAutoField(primary_key=True)
    notification_id = models.UUIDField(default=uuid.uuid4)
    counts = models.JSONField(help_text="{state: change}; a change may be negative.")
    delays = models.JSONField(default=dict, help_text="{log bucket: deliveries}.")

    class Meta:
        indexes = [models.Index(fields=["notification_id"], name="count_delta_notification")]

    @override
    def __str__(self) -> str:
        return str(self.notification_id)


class ParkedReceipt(models.Model):
    """An update for a message id that no delivery has yet: the worker may not have settled it. Upkeep tries again."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    provider_message_id = models.CharField(max_length=200)
    state = models.CharField(max_length=11, choices=DeliveryState)
    reason = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="parked_receipt_due")]

    @override
    def __str__(self) -> str:
        return self.provider_message_id
