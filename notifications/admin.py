"""The console's pages of notifications. Writes go through services; no list reads the whole delivery table."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from typing_extensions import override

from devices.models import Device
from notifications import selectors, services
from notifications.holds.admin import HoldAdmin as HoldAdmin
from notifications.models import Delivery, Lane, Notification, ParkedReceipt, RateLimit, Topic, TopicSubscription
from notifications.test_push import PushForm
from pushhub.kernel.ids import uuid7_time
from tenants.admin_base import ExactSearch, FastAdmin, HistoryAdmin, OperatedAdmin
from tenants.models import EndUser, Tenant

BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)
MAX_DEVICES = 100  # of one person, in a search


@admin.register(Notification)
class NotificationAdmin(ExactSearch, OperatedAdmin):
    """“Add” sends a test push. Other pages link to `…/add/?tenant=<id>&device_id=<uuid>`."""

    form = PushForm
    list_display = ["id", "tenant", "state", "delivery_class", "category", "total", "created_at"]
    list_select_related = ["tenant"]
    list_filter = [BY_TENANT, "state"]
    search_fields = ["id__exact"]
    search_help_text = "The id of a notification."
    ordering = ["-id"]
    actions = ["cancel", "redrive"]
    shown = [
        *("id", "tenant", "state", "counted", "failures", "delays_ms", "deliveries_link", "to", "content"),
        "delivery_class",
        *("category", "ttl", "urgency", "collapse_key", "silent", "rate", "send_at", "expires_at", "created_at"),
        *("expanded_at", "cancelled_at", "completed_at"),
    ]

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_operate_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.shown if obj else ["tenant", "user_id", "device_id", "title", "body"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.shown if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        sent = services.notification_create(tenant=form.cleaned_data["tenant"], data=form.draft())
        obj.__dict__.update(sent.__dict__)

    @admin.action(description="Cancel the deliveries that are not sent", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        def service(row: Notification) -> str:
            services.notification_cancel(tenant=row.tenant, notification_id=row.id)
            return "cancelled"

        self.operate(request, queryset, service)

    @admin.action(description="Redrive the dead deliveries", permissions=["operate"])
    def redrive(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        def service(row: Notification) -> str:
            redriven = services.notification_redrive(tenant=row.tenant, notification_id=row.id)
            return f"{redriven} deliveries queued again"

        self.operate(request, queryset, service)

    @admin.display(description="counts")
    def counted(self, row: Notification) -> str:
        counts = selectors.notification_tally(tenant=row.tenant, notification_id=row.id).counts
        return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "no device to send to"

    @admin.display(description="why deliveries failed")
    def failures(self, row: Notification) -> str:
        tally = selectors.notification_tally(tenant=row.tenant, notification_id=row.id)
        failures = selectors.notification_failures(tenant=row.tenant, notification=row, tally=tally)
        lines = ((f.deliveries, f.state, f.explanation.what, f.explanation.remedy) for f in failures)
        return format_html_join("", "<p>{} {}: {} <i>{}</i></p>", lines) or "—"

    @admin.display(description="accept → accepted")
    def delays_ms(self, row: Notification) -> str:
        delays = selectors.notification_tally(tenant=row.tenant, notification_id=row.id).delay_ms
        return ", ".join(f"{name} {delay:,} ms" for name, delay in delays.items() if delay is not None) or "—"

    @admin.display(description="deliveries")
    def deliveries_link(self, row: Notification) -> str:
        url = reverse("admin:notifications_delivery_changelist", query={"q": str(row.id)})
        return format_html('<a href="{}">Show its deliveries</a>', url)


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin):
    """Why a delivery did or did not arrive. Each search uses one indexed column; a filter would read all rows."""

    list_display = ["id", "tenant", "state", "reason", "attempt", "made_at", "accepted_at"]
    list_select_related = ["tenant"]
    search_fields = ["id__exact"]
    search_help_text = "The id of a delivery, a notification or a device, or a user's id."
    ordering = ["-id"]
    fields = [
        *("explanation", "state", "reason", "id", "tenant", "notification_link", "device_link", "lane_link"),
        *("made_at", "due_at", "attempt", "lost_leases", "accepted_at", "lease_expires_at", "provider_message_id"),
    ]
    readonly_fields = fields

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        if not search_term.strip():
            return queryset, False
        return _search(search_term.strip()).select_related(*self.list_select_related).order_by(*self.ordering), False

    @admin.display(description="what happened")
    def explanation(self, row: Delivery) -> str:
        devices = selectors.deliveries_devices(tenant=row.tenant, deliveries=[row])
        found = selectors.deliveries_explain(tenant=row.tenant, deliveries=[row], devices=devices)[row.id]
        return format_html("<p>{}</p><p><i>{}</i></p>", found.what, found.remedy)

    def _device(self, row: Delivery) -> Device | None:
        devices = Device.objects.filter(tenant_id=row.tenant_id, pk=row.device_id)
        return devices.select_related("app", "user").first()

    @admin.display(description="lane")
    def lane_link(self, row: Delivery) -> str:
        lane = Lane.objects.filter(tenant_id=row.tenant_id, pk=row.lane_id).first()
        if lane is None:
            return "deleted with its app"
        paused = f", paused: {lane.paused_reason}" if lane.paused_at else ""
        url = reverse("admin:notifications_lane_change", args=[lane.pk])
        return format_html('<a href="{}">{}</a>{}', url, lane, paused)

    @admin.display(description="made at")
    def made_at(self, row: Delivery) -> Any:
        return uuid7_time(row.id)

    @admin.display(description="notification")
    def notification_link(self, row: Delivery) -> str:
        url = reverse("admin:notifications_notification_change", args=[row.notification_id])
        return format_html('<a href="{}">{}</a>', url, row.notification_id)

    @admin.display(description="device")
    def device_link(self, row: Delivery) -> str:
        device = self._device(row)
        if device is None:
            return "removed"
        owner = f" of {device.user}" if device.user and device.generation == row.generation else ""
        words = f"{device.device_id}{owner}, {device.app.name}, endpoint {device.endpoint_state}"
        query = {"tenant": str(row.tenant_id), "device_id": str(device.device_id)}
        test = reverse("admin:notifications_notification_add", query=query)
        return format_html('{} · <a href="{}">Send it a test push</a>', words, test)


@admin.register(Topic)
class TopicAdmin(HistoryAdmin):
    list_display = ["name", "tenant", "created_at"]
    list_select_related = ["tenant"]
    list_filter = [BY_TENANT]
    search_fields = ["name__exact"]
    ordering = ["-id"]


@admin.register(TopicSubscription)
class TopicSubscriptionAdmin(HistoryAdmin):
    list_display = ["topic", "user", "device", "tenant", "created_at"]
    list_select_related = ["tenant", "topic", "user", "device"]
    search_fields = ["topic__name__exact"]
    ordering = ["-id"]


@admin.register(Lane)
class LaneAdmin(OperatedAdmin):
    operate_permission = "notifications.change_notification"
    list_display = [
        *(
            "id",
            "tenant",
            "app",
            "delivery_class",
            "push_origin",
            "next_due_at",
            "rate_limited_until",
            "served",
            "served_at",
        ),
        *("paused_at", "paused_reason"),
    ]
    list_select_related = ["tenant", "app"]
    list_filter = [BY_TENANT, "delivery_class", ("paused_at", admin.EmptyFieldListFilter)]
    actions = ["pause", "resume"]

    @admin.action(description="Pause: no delivery of it is claimed", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        def service(row: Lane) -> str:
            reason = f"by {request.user.get_username()}"
            services.lane_pause(tenant=row.tenant, lane_id=row.id, reason=reason)
            return "paused"

        self.operate(request, queryset, service)

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        def service(row: Lane) -> str:
            services.lane_resume(tenant=row.tenant, lane_id=row.id)
            return "resumed"

        self.operate(request, queryset, service)


@admin.register(RateLimit)
class RateLimitAdmin(FastAdmin):
    """An operator sets `rate` when AWS has granted more."""

    list_display = ["name", "rate", "tokens", "refilled_at"]
    search_fields = ["name"]
    fields = ["name", "rate", "tokens", "refilled_at"]
    readonly_fields = ["name", "tokens", "refilled_at"]

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(ParkedReceipt)
class ParkedReceiptAdmin(HistoryAdmin):
    list_display = ["provider_message_id", "tenant", "app", "state", "reason", "attempts", "due_at", "created_at"]
    list_select_related = ["tenant", "app"]
    search_fields = ["provider_message_id__exact"]
    ordering = ["-id"]


def _search(words: str) -> QuerySet[Delivery]:
    """`words` is the id of a delivery, a notification, a device or a user.

    One meaning is chosen first: a query with OR would walk the table backwards in search of matches. The tenants are
    listed because the indexes of people and devices start with the tenant.
    """
    tenants = list(Tenant.objects.values_list("pk", flat=True))
    deliveries = Delivery.objects.filter(tenant__in=tenants)
    id_ = _uuid(words)
    if id_ is not None and deliveries.filter(id=id_).exists():
        return deliveries.filter(id=id_)
    if id_ is not None and Notification.objects.filter(tenant__in=tenants, id=id_).exists():
        return deliveries.filter(notification_id=id_)
    named = Q(device_id=id_) if id_ is not None else Q(user__in=_people(tenants, words))
    devices = Device.objects.filter(named, tenant__in=tenants).values_list("pk", flat=True)
    return deliveries.filter(device_id__in=list(devices[:MAX_DEVICES]))


def _people(tenants: Sequence[UUID], user_id: str) -> list[int]:
    return list(EndUser.objects.filter(tenant__in=tenants, user_id=user_id).values_list("pk", flat=True))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
