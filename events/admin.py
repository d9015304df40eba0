"""The event log, read-only. The filter on notices shows the events that an operator should see."""

from django.contrib import admin

from events.models import Event
from tenants.admin_base import ExactSearch, HistoryAdmin


@admin.register(Event)
class EventAdmin(ExactSearch, HistoryAdmin):
    list_display = ["type", "subject", "tenant", "notice", "happened_at"]
    list_select_related = ["tenant"]
    list_filter = ["notice", ("tenant", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["id__exact"]
    fields = ["id", "tenant", "type", "subject", "data", "notice", "happened_at"]
    readonly_fields = ["happened_at"]
    ordering = ["-id"]
