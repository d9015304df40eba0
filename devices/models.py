"""The tenants' provider apps, and the mapping user → device → endpoint."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from typing_extensions import override

from providers.apps import CredentialKind
from providers.registry import PROVIDERS, device_platforms
from pushhub.kernel.ids import uuid7
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField
from tenants.models import EndUser, Tenant


class AppState(models.TextChoices):
    ACTIVE = "active"  # deliveries flow
    MISCONFIGURED = "misconfigured"  # the vendor refuses the credentials; deliveries wait for the repair
    DISABLED = "disabled"  # switched off by the tenant or an operator; deletions still reach the vendor


_CREDENTIAL_KINDS = [(kind.value, kind.value.title()) for kind in CredentialKind]


class App(models.Model):
    """A tenant's app at one provider: an SNS platform application, or a web push application server."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="apps")
    name = models.CharField(max_length=63)
    provider = models.CharField(max_length=10, help_text="A name of providers.registry.PROVIDERS.")
    platform_application_arn = models.CharField(max_length=400, blank=True)
    sns_platform = models.CharField(
        max_length=20, blank=True, editable=False, help_text="APNS, APNS_SANDBOX, GCM … from the ARN."
    )
    account_id = models.CharField(max_length=12, blank=True, editable=False)
    region = models.CharField(max_length=30, blank=True)
    credential_kind = models.CharField(max_length=10, choices=_CREDENTIAL_KINDS, default=CredentialKind.NONE.value)
    role_arn = models.CharField(max_length=400, blank=True)
    parameter_name = models.CharField(max_length=1011, blank=True)
    credentials_sealed = SealedField(
        purpose=Purpose.APP_CREDENTIALS,
        null=True,
        editable=False,
        help_text="Sealed: the provider's AppSettings.secrets.",
    )
    event_topic_arn = models.CharField(
        max_length=400, blank=True, help_text="The only TopicArn whose callbacks are accepted."
    )
    verify_due_at = models.DateTimeField(
        null=True, editable=False, help_text="When a worker tries the credentials; while it does, when to try again."
    )
    verify_attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="Since it was requested; the wait doubles with each."
    )
    verified_at = models.DateTimeField(
        null=True, editable=False, help_text="When the vendor last accepted the credentials."
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Grows with every change of credentials: caches key on it."
    )
    state = models.CharField(max_length=20, choices=AppState, default=AppState.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    state_changed_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="app_name"),
            # The one constraint that does not start with the tenant: an ARN belongs to one tenant (confused deputy).
            models.UniqueConstraint(
                fields=["platform_application_arn"],
                condition=~Q(platform_application_arn=""),
                name="app_arn_of_one_tenant",
            ),
        ]
        indexes = [
            models.Index(fields=["verify_due_at"], name="app_verify_due", condition=Q(verify_due_at__isnull=False)),
            # Whether a role belongs to another tenant.
            models.Index(fields=["role_arn"], name="app_role_arn", condition=~Q(role_arn="")),
        ]

    @override
    def __str__(self) -> str:
        return self.name

    @override
    def clean(self) -> None:
        super().clean()
        if self.provider not in PROVIDERS:
            raise ValidationError({"provider": "No provider of this name is registered."})


class VapidKey(models.Model):
    """A VAPID key pair (RFC 8292). Browsers are offered the newest unretired one; older ones serve theirs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="vapid_keys")
    public_key = models.CharField(
        max_length=88, help_text="base64url of the uncompressed point: the applicationServerKey."
    )
    private_key_sealed = SealedField(purpose=Purpose.VAPID_PRIVATE_KEY, editable=False)
    sub = models.CharField(
        max_length=255,
        blank=True,
        help_text="A real mailto: or https: contact; push services refuse made-up ones. Empty: PUSHHUB_VAPID_SUB.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "VAPID key"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "app", "public_key"], name="vapid_key_public_key")]

    @override
    def __str__(self) -> str:
        return self.public_key[:12] + "…"

    @property
    def contact(self) -> str:
        """The contact in its tokens. PUSHHUB_VAPID_SUB is not copied into the row, so a later value takes effect."""
        return self.sub or str(settings.PUSHHUB_VAPID_SUB)


class EndpointState(models.TextChoices):
    """Whether the device receives pushes: only if `active` or `suspect`. Deliveries to `pending` wait."""

    PENDING = "pending"  # the vendor's endpoint is being created or given its new token
    ACTIVE = "active"  # pushes go out
    SUSPECT = "suspect"  # counted as gone in a gone spike and restored: pushes go out, an operator should check
    DISABLED = (
        "disabled"  # switched off: by the vendor, an operator, or a token the vendor refuses; a new token revives it
    )
    GONE = "gone"  # the vendor says the endpoint no longer exists; a new token or subscription revives it
    NONE = "none"  # of a tombstone: there is no endpoint


OPERATOR = "operator"  # the endpoint_reason of a device that an operator disabled: only an operator enables it


class Device(models.Model):
    """One installation of a tenant's app, the user whose messages it shows, and the endpoint that reaches it.

    `generation` grows, and `mapping_id` changes, whenever the user changes: a delivery made for an earlier generation
    is never sent, and a payload already at the vendor carries the old mapping id, which the client drops.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="devices")
    device_id = models.UUIDField(help_text="The installation's own id, chosen by the client.")
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="devices")
    user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.SET_NULL, related_name="devices")
    generation = models.PositiveIntegerField(default=1)
    mapping_id = models.UUIDField(default=uuid.uuid4)
    secret_hash = models.BinaryField(max_length=32, editable=False, help_text="SHA-256 of the device_secret.")
    platform = models.CharField(max_length=10, help_text="One of a provider's `platforms`.")

    endpoint_sealed = SealedField(
        purpose=Purpose.ENDPOINT,
        null=True,
        editable=False,
        help_text="Sealed: what the provider's address type packs; null on tombstones.",
    )
    endpoint_hash = models.BinaryField(
        max_length=32, null=True, editable=False, help_text="Keyed hash of the token or push URL, for look-ups."
    )
    endpoint_state = models.CharField(max_length=10, choices=EndpointState)
    endpoint_reason = models.CharField(max_length=200, blank=True)
    endpoint_changed_at = models.DateTimeField(db_default=Now())
    push_origin = models.CharField(
        max_length=255, blank=True, editable=False, help_text="Web push: scheme://host[:port]."
    )
    vapid_key = models.ForeignKey(VapidKey, null=True, blank=True, on_delete=models.PROTECT, related_name="devices")

    endpoint_arn = models.CharField(max_length=500, blank=True, editable=False)
    token_version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Grows with every new token or subscription."
    )
    verified_at = models.DateTimeField(
        null=True, editable=False, help_text="When AWS last confirmed token and Enabled."
    )
    provision_due_at = models.DateTimeField(null=True, editable=False)
    provision_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    provision_lease = models.UUIDField(null=True, editable=False)
    provision_lease_expires_at = models.DateTimeField(null=True, editable=False)

    locale = models.CharField(max_length=35, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    app_version = models.CharField(max_length=64, blank=True)
    os_version = models.CharField(max_length=64, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    last_seen_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(
        null=True, editable=False, help_text="A tombstone: kept until the vendor's endpoint is deleted."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "device_id"], condition=Q(deleted_at=None), name="device_device_id"
            ),
            # A token has one device: the last one that registered it.
            models.UniqueConstraint(
                fields=["tenant", "app", "endpoint_hash"],
                condition=Q(deleted_at=None, endpoint_hash__isnull=False),
                name="device_endpoint_hash",
            ),
            models.CheckConstraint(condition=Q(endpoint_state__in=EndpointState.values), name="device_endpoint_state"),
        ]
        indexes = [
            # The audience of a user, of an app, of a tenant: the expansion reads it in key order.
            models.Index(fields=["tenant", "user", "id"], name="device_user", condition=Q(deleted_at=None)),
            models.Index(fields=["tenant", "id"], name="device_tenant", condition=Q(deleted_at=None)),
            # The provisioning queue.
            models.Index(
                F("provision_due_at"), name="device_provision_due", condition=Q(provision_due_at__isnull=False)
            ),
            # Its tombstones alone: a claim looks first for those whose token a live device has registered again.
            models.Index(
                F("provision_due_at"),
                name="device_tombstone_due",
                condition=Q(provision_due_at__isnull=False, deleted_at__isnull=False),
            ),
            # Callbacks name the vendor's endpoint only.
            models.Index(fields=["tenant", "app", "endpoint_arn"], name="device_arn", condition=~Q(endpoint_arn="")),
            models.Index(fields=["last_seen_at"], name="device_unseen", condition=Q(deleted_at=None)),
            # A tombstone and the live device that registered the same token again must find each other.
            models.Index(
                fields=["tenant", "app", "endpoint_hash"],
                name="device_tombstone_hash",
                condition=Q(deleted_at__isnull=False, endpoint_hash__isnull=False),
            ),
            # Tombstones without any work left, removed when no history names them.
            models.Index(
                fields=["deleted_at"],
                name="device_tombstone",
                condition=Q(deleted_at__isnull=False, provision_due_at=None),
            ),
        ]

    @override
    def __str__(self) -> str:
        return str(self.device_id)

    @override
    def clean(self) -> None:
        super().clean()
        if self.platform not in device_platforms():
            raise ValidationError({"platform": "No provider reaches this platform."})


class AwsQuota(models.Model):
    """A token bucket for the control-plane calls of an (account, region), shared by all workers."""

    id = models.BigAutoField(primary_key=True)
    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=30)
    rate = models.FloatField(
        null=True, blank=True, help_text="Calls per second that AWS has granted; empty = AWS's default for the region."
    )
    tokens = models.FloatField()
    refilled_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "AWS quota"
        constraints = [models.UniqueConstraint(fields=["account_id", "region"], name="aws_quota_account_region")]

    @override
    def __str__(self) -> str:
        return f"{self.account_id} {self.region}"


class CallbackReceipt(models.Model):
    """A message of a vendor that was applied. SNS delivers at least once; by its MessageId it is applied once."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    message_id = models.CharField(max_length=100)
    subscribe_url_sealed = SealedField(
        purpose=Purpose.CALLBACK_SUBSCRIBE_URL,
        null=True,
        editable=False,
        help_text="Of a subscription that is still to be confirmed.",
    )
    confirm_due_at = models.DateTimeField(null=True, editable=False)
    confirm_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "app", "message_id"], name="callback_receipt_message_id")
        ]
        indexes = [
            models.Index(
                fields=["confirm_due_at"], name="callback_receipt_confirm", condition=Q(confirm_due_at__isnull=False)
            ),
        ]

    @override
    def __str__(self) -> str:
        return self.message_id
