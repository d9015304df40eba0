"""What happened, for the tenant's backend to read: an append-only log per tenant."""

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from typing_extensions import override

from events.types import PEOPLE
from pushhub.kernel.ids import uuid7_time
from tenants.models import Tenant


class Event(models.Model):
    """One thing that happened. `type` is an EventType; `data` has its fields: ids and reasons, no token or payload."""

    # By the database's clock: the order of the ids is the order of the log.
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
            # The events that name an erased person.
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
