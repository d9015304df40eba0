"""What is held and why, and the outcomes that show it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from typing_extensions import override

from devices.models import App
from notifications.states import HoldKind, HoldOutcome, SuspectKind
from pushhub.kernel.ids import uuid7
from tenants.models import Tenant


class Hold(models.Model):
    """The deliveries of one (app, push origin) wait in a lane that no worker claims.

    The hold is open until `released_at`. Then its deliveries go back to their lanes, until `drained_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    push_origin = models.CharField(
        max_length=300, help_text="Web push: scheme://host[:port]; otherwise the provider's own name."
    )
    kind = models.CharField(max_length=11, choices=HoldKind)
    reason = models.CharField(max_length=200, help_text="The vendor's code.")
    evidence = models.JSONField(default=dict, help_text="The counts of outcomes that opened the hold.")
    since = models.DateTimeField(db_default=Now())
    app_version = models.PositiveIntegerField(help_text="The app's version, last time. A change starts a probe.")
    probe_at = models.DateTimeField(null=True, help_text="When one delivery is sent as a probe; null: no probes.")
    probe_wait = models.FloatField(default=0.0, help_text="Seconds from the last probe to the next.")
    probe_id = models.UUIDField(null=True, help_text="The last delivery that was sent as a probe.")
    released_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=HoldOutcome, blank=True)
    released_by = models.CharField(max_length=150, blank=True, help_text="The operator; empty: released automatically.")
    drained_at = models.DateTimeField(null=True, help_text="When its last delivery had gone back to its lane.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "app", "push_origin"], condition=Q(drained_at=None), name="hold_key"
            ),
            models.CheckConstraint(condition=Q(kind__in=HoldKind.values), name="hold_kind"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.push_origin}"


class SuspectOutcome(models.Model):
    """An outcome that is not believed of most devices at once. It is kept to restore its device and its delivery: for
    minutes, or as long as its hold.

    Written while settling, and so without foreign-key constraints, like the deliveries themselves.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    push_origin = models.CharField(max_length=300)
    kind = models.CharField(max_length=7, choices=SuspectKind)
    reason = models.CharField(max_length=200, blank=True)
    device_id = models.BigIntegerField()
    token_version = models.PositiveIntegerField()
    delivery_id = models.UUIDField()
    at = models.DateTimeField(db_default=Now())
    hold = models.ForeignKey(Hold, null=True, on_delete=models.CASCADE, db_index=False, related_name="suspects")

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="suspect_recent", condition=Q(hold=None)),
            models.Index(fields=["hold", "device_id"], name="suspect_hold", condition=Q(hold__isnull=False)),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.push_origin}"


class AcceptedTally(models.Model):
    """How many deliveries of an (app, push origin) were accepted at one worker in about a second."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    push_origin = models.CharField(max_length=300)
    accepted = models.PositiveIntegerField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["app", "push_origin", "at"], name="accepted_tally")]

    @override
    def __str__(self) -> str:
        return f"{self.push_origin} {self.accepted}"
