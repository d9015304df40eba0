"""The admin page of holds: since when, why, with which evidence, and the two decisions of an operator."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from notifications.holds import services
from notifications.holds.models import Hold
from notifications.holds.selectors import HELD_CAP, held_count
from tenants.admin_base import OperatedAdmin


@admin.register(Hold)
class HoldAdmin(OperatedAdmin):
    operate_permission = "notifications.change_notification"
    list_display = ["push_origin", "app", "tenant", "kind", "reason", "since", "released_at", "outcome"]
    list_select_related = ["app", "tenant"]
    list_filter = [("released_at", admin.EmptyFieldListFilter), "kind", ("tenant", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["id__exact", "app__id__exact", "push_origin__exact"]
    search_help_text = "Exactly: the id of a hold or an app, or a push origin."
    ordering = ["-id"]
    fields = [
        *("tenant", "app", "push_origin", "kind", "reason", "since", "evidence", "held_now", "probe_at"),
        *("released_at", "outcome", "released_by", "drained_at"),
    ]
    readonly_fields = ["held_now"]
    actions = ["release", "confirm"]

    @admin.display(description="deliveries held now")
    def held_now(self, row: Hold) -> str:
        held = held_count(hold=row)
        return f"{held:,}" if held < HELD_CAP else f"{HELD_CAP:,} or more"

    @admin.action(description="Release: the devices are available, send the held deliveries", permissions=["operate"])
    def release(self, request: HttpRequest, queryset: QuerySet[Hold]) -> None:
        self._decide(request, queryset, services.hold_release)

    @admin.action(description="Confirm: the devices are gone, end their deliveries", permissions=["operate"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[Hold]) -> None:
        self._decide(request, queryset, services.hold_confirm)

    def _decide(self, request: HttpRequest, queryset: QuerySet[Hold], decision: Any) -> None:
        self.operate(request, queryset, lambda row: decision(hold=row, by=request.user.get_username()))
