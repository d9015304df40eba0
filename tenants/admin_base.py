"""What the rooms' admin pages share: lists that stay fast on large tables, and rows that are history."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from typing_extensions import override
from unfold.admin import ModelAdmin

COUNT_CAP = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts to a cap and no further: count(*) of a large table takes seconds. Beyond, one narrows the search."""

    @cached_property
    @override
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNT_CAP].count() if hasattr(rows, "order_by") else len(rows)


class FastAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Search fields of subclasses are exact and indexed (`user_id__exact`); foreign keys are not drop-downs."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50


class HistoryAdmin(FastAdmin):
    """To be read, not changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def shown_once(admin: FastAdmin, request: HttpRequest, made: str, secrets: dict[str, str]) -> HttpResponse:
    """The answer to an add form, secrets included. Rendered at once: a message would carry them in a cookie."""
    back = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    context = {**admin.admin_site.each_context(request), "made": made, "secrets": secrets, "back": back}
    return TemplateResponse(request, "tenants/shown_once.html", context)  # the admin itself says no-store
