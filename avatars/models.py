"""A person's picture, from the upload to its publication, and the objects that must be deleted."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from typing_extensions import override

from avatars.moderation.policy import ACTION_CHOICES
from avatars.states import AvatarState, WorkflowStep
from pushhub.kernel.ids import uuid7
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField
from tenants.models import EndUser, Tenant

SIZES = (64, 128, 256, 512)


class AvatarPolicy(models.Model):
    """What a tenant allows, and how its people are informed. A tenant without a row has the defaults."""

    class EngineDown(models.TextChoices):
        WAIT = "wait", "wait: until an engine answers"
        REVIEW = "review", "review: a person decides"

    class PushMode(models.TextChoices):
        VISIBLE = "visible", "visible: a text and the data"
        SILENT = "silent", "silent: the data only, for the app"
        OFF = "off"

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="avatar_policy")
    thresholds = models.JSONField(
        default=dict, blank=True, help_text="By taxonomy category; empty = the installation's own (docs/avatars.md)."
    )
    sizes = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(16), MaxValueValidator(1024)]),
        default=list,
        blank=True,
        size=8,
        help_text="Sides of the square thumbnails, in pixels; empty = 64, 128, 256 and 512.",
    )
    max_bytes = models.PositiveIntegerField(
        default=10 * 1024 * 1024, validators=[MinValueValidator(1024), MaxValueValidator(50 * 1024 * 1024)]
    )
    max_pixels = models.PositiveIntegerField(default=50_000_000, validators=[MaxValueValidator(100_000_000)])
    appeal_days = models.PositiveSmallIntegerField(
        default=0, help_text="How long a rejected picture is kept, privately, for an appeal; 0 = removed at once."
    )
    engine_down = models.CharField(max_length=6, choices=EngineDown, default=EngineDown.REVIEW)
    engine_down_minutes = models.PositiveIntegerField(
        default=15, help_text="How long an engine may be unavailable before a person decides."
    )
    cdn_base_url = models.CharField(
        max_length=300,
        blank=True,
        validators=[RegexValidator(r"^https?://[^\s?#]+[^\s?#/]\Z")],
        help_text="Where the public area is served, such as https://cdn.example.com; empty = the installation's own.",
    )
    push = models.CharField(max_length=7, choices=PushMode, default=PushMode.VISIBLE)
    texts = models.JSONField(
        default=dict, blank=True, help_text='By result: {"approved": {"title": "…", "body": "…"}}; empty = English.'
    )

    class Meta:
        verbose_name_plural = "avatar policies"

    @override
    def __str__(self) -> str:
        return str(self.tenant_id)

    @property
    def sides(self) -> list[int]:
        return self.sizes or list(SIZES)


class Avatar(models.Model):
    """One upload and its state. Ids sort by time: of two pictures of a user, the greater id is the newer one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="avatars")
    user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="avatars")
    state = models.CharField(max_length=15, choices=AvatarState, default=AvatarState.AWAITING_UPLOAD)
    reason = models.CharField(max_length=60, blank=True, help_text="A Reason, or the fault of the picture.")
    detail = models.CharField(max_length=300, blank=True, help_text="For the person: what to do about it.")

    content_type = models.CharField(max_length=40, help_text="As the client announced it; the content decides.")
    upload_key = models.CharField(max_length=200)
    upload_expires_at = models.DateTimeField(help_text="When the form expires.")
    upload_version = models.CharField(max_length=1024, blank=True, help_text="The store's version id, if it has any.")
    upload_etag = models.CharField(max_length=200, blank=True)
    upload_size = models.PositiveBigIntegerField(null=True)
    upload_sequencer = models.CharField(max_length=64, blank=True, help_text="Orders the store's events of one key.")

    master_key = models.CharField(max_length=200, blank=True)
    master_format = models.CharField(max_length=4, blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    source_format = models.CharField(max_length=10, blank=True)
    variants = models.JSONField(default=list, help_text="The thumbnails in the public area: size, format, key.")

    step = models.CharField(max_length=10, choices=WorkflowStep, blank=True, default=WorkflowStep.DONE)
    due_at = models.DateTimeField(null=True, help_text="When the step may be done; null = nothing to do.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Of this step, so far.")
    failing_since = models.DateTimeField(null=True, help_text="When this step failed first.")
    lost_leases = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)
    appealed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=AvatarState.values), name="avatar_state"),
            models.CheckConstraint(condition=Q(step__in=WorkflowStep.values), name="avatar_step"),
            models.UniqueConstraint(fields=["tenant", "upload_key"], name="avatar_upload_key"),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="avatar_tenant"),
            models.Index(fields=["tenant", "user", "id"], name="avatar_user"),
            models.Index(fields=["due_at"], name="avatar_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["upload_expires_at"], name="avatar_unfinished", condition=Q(state="awaiting_upload")),
            models.Index(fields=["tenant", "id"], name="avatar_in_review", condition=Q(state="in_review")),
        ]

    @override
    def __str__(self) -> str:
        return str(self.id)


class Moderation(models.Model):
    """An engine's answer about one master. Kept whole, so that a changed policy can be applied without the engine."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="moderations")
    engine = models.CharField(max_length=100)
    model_version = models.CharField(max_length=200, blank=True)
    labels = models.JSONField(help_text="[{Name, ParentName, Confidence, TaxonomyLevel}], from confidence 20 up.")
    raw = models.JSONField(default=dict, help_text="The engine's response, unchanged.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["avatar", "-id"], name="moderation_latest")]

    @override
    def __str__(self) -> str:
        return f"{self.engine} {self.avatar_id}"


class Decision(models.Model):
    """One decision, by the policy or by a person: the audit trail."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="decisions")
    action = models.CharField(max_length=7, choices=ACTION_CHOICES)
    causes = models.JSONField(default=list, help_text="The labels that made the policy decide so.")
    reviewer = models.CharField(max_length=150, blank=True, help_text="Who decided; empty = the policy.")
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["avatar", "id"], name="decision_avatar")]

    @override
    def __str__(self) -> str:
        return f"{self.action} {self.avatar_id}"


class TimelineEntry(models.Model):
    """One event of an avatar: a step that was done or failed, a change of state, a decision, an upload."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    avatar = models.ForeignKey(Avatar, on_delete=models.CASCADE, related_name="timeline")
    what = models.CharField(max_length=40, help_text="A step's or state's name.")
    outcome = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["avatar", "id"], name="timeline_avatar")]

    @override
    def __str__(self) -> str:
        return f"{self.what} {self.outcome}"


class StoredObject(models.Model):
    """An object that may be in the store. The row is written before the object is put, and deleted when the store has
    no version of the object.

    Without constraints on tenant and avatar: it outlives both. `delete_due_at` makes it a tombstone, which is swept
    until the store has deleted every version, and once more after `keep_until`: until then a put may still be running.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    avatar_id = models.UUIDField()
    key = models.CharField(max_length=200)
    delete_due_at = models.DateTimeField(null=True)
    keep_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Sweeps so far; above 0 the object cannot be kept any more."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="stored_object_key")]
        indexes = [
            models.Index(fields=["avatar_id"], name="stored_object_avatar"),
            models.Index(fields=["delete_due_at"], name="stored_object_due", condition=Q(delete_due_at__isnull=False)),
        ]

    @override
    def __str__(self) -> str:
        return str(self.id)


class S3Subscription(models.Model):
    """The operator's SNS topic for the bucket's events. A worker confirms the subscription."""

    id = models.BigAutoField(primary_key=True)
    topic_arn = models.CharField(max_length=300, unique=True)
    subscribe_url_sealed = SealedField(purpose=Purpose.S3_SUBSCRIBE_URL, null=True, editable=False)
    confirm_due_at = models.DateTimeField(null=True, db_index=True)
    confirm_attempts = models.PositiveSmallIntegerField(default=0)
    confirmed_at = models.DateTimeField(null=True)

    @override
    def __str__(self) -> str:
        return self.topic_arn
