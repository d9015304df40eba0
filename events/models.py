"""What happened, told outward: an append-only log per tenant."""

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from typing_extensions import override

from pushhub.kernel.ids import uuid7_time
from tenants.models import Tenant

# Members of `data` that hold a tenant's id of a person. An erasure makes them null: no other may hold one.
PEOPLE = ("user_id", "from", "to")


class Event(models.Model):
    """One thing that happened. `type` is dotted (`device.gone`); `data` holds ids and reasons, no token or payload."""

    # By the database's clock: its order is the log's.
    id = models.UUIDField(primary_key=True, db_default=models.Func(function="pushhub_event_id"), editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    type = models.CharField(max_length=60)
    subject = models.CharField(max_length=255, blank=True, help_text="The id of what it happened to.")
    data = models.JSONField(default=dict)
    notice = models.BooleanField(default=False, help_text="An operator should see it in the admin.")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="event_tenant"),
            models.Index(fields=["tenant", "type", "id"], name="event_type"),
            models.Index(fields=["id"], name="event_notice", condition=models.Q(notice=True)),
            # Where an erased person is named.
            GinIndex(
                fields=["data"],
                opclasses=["jsonb_path_ops"],
                name="event_people",
                condition=models.Q(data__has_any_keys=list(PEOPLE)),
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

    @property
    def happened_at(self) -> datetime:
        """The id's own milliseconds."""
        return uuid7_time(self.id)
