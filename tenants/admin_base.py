"""The base classes of the apps' admin pages: lists that stay fast on large tables, and rows that cannot be changed."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput, JSONString
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from typing_extensions import override
from unfold.admin import ModelAdmin

from pushhub.http.api import json_read
from pushhub.kernel.errors import ApiError

COUNT_CAP = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts up to a cap, because count(*) of a large table takes seconds. For rows after the cap, an operator has to
    search."""

    @cached_property
    @override
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNT_CAP].count() if hasattr(rows, "order_by") else len(rows)


class TypedJsonField(forms.JSONField):
    """JSON by the rules of the API's bodies: PostgreSQL stores neither NUL nor Infinity.

    The form shows a refused text as it was typed. Django would show its parsed value, but half of a surrogate pair
    cannot be encoded as UTF-8.
    """

    @override
    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value and not isinstance(value, JSONString) and not self.disabled:
            try:
                json_read(value.encode())
            except ApiError as error:
                raise forms.ValidationError(error.detail) from None
        return super().to_python(value)

    @override
    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial if self.disabled else data and InvalidJSONInput(data)


class FastAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Subclasses use exact, indexed search fields (`user_id__exact`), and no drop-down lists for foreign keys."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    formfield_overrides = {models.JSONField: {"form_class": TypedJsonField}}

    @override
    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        for name, value in initial.items():
            with contextlib.suppress(FieldDoesNotExist):
                _check(self.opts.get_field(name), value)
        return initial

    @override
    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            _check(self.opts.pk, value)
        response: HttpResponse | None = super().response_action(request, queryset)
        return response


def _check(field: Any, value: Any) -> None:
    """Raises BadRequest for a value that the console's own links and forms never contain."""
    try:
        field.to_python(value)
    except ValidationError:
        raise BadRequest(f"{field.name} cannot have this value.") from None


class ExactSearch:
    """A base class in front of FastAdmin. It searches the columns of `search_fields`, which are exact, one after the
    other by their own index, until a column has the term. Django would compare ids as texts and all columns at once;
    both read the whole table."""

    search_fields: Sequence[str]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not (term := search_term.strip()):
            return queryset, False
        found = queryset.none()
        for field in self.search_fields:
            with contextlib.suppress(ValidationError, ValueError):  # the term is no id, so this column cannot have it
                found = queryset.filter(**{field: term})
                if found.exists():
                    break
        return found, False


class HistoryAdmin(FastAdmin):
    """Rows that operators can read, but not change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OperatedAdmin(HistoryAdmin):
    """Rows that operators can read. Actions with `permissions=["operate"]` are for operators who may change the model
    (the roles support and admin)."""

    operate_permission = ""  # the default is the change permission of the model

    def has_operate_permission(self, request: HttpRequest) -> bool:
        default = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return request.user.has_perm(self.operate_permission or default)

    def operate(self, request: HttpRequest, queryset: QuerySet[Any], service: Callable[[Any], object]) -> None:
        """Runs an action: calls `service` with each row. For each row a message shows the text that the service
        returned (or "done") or why it failed. The history of the row shows who did it."""
        for row in queryset.select_related("tenant"):
            try:
                result = service(row)
            except ApiError as error:
                self.message_user(request, f"{row}: {error.detail}", messages.WARNING)
                continue
            text = result if isinstance(result, str) else "done"
            self.log_change(request, row, f"{request.POST['action']}: {text}")
            self.message_user(request, f"{row}: {text}", messages.SUCCESS)


def shown_once(admin: FastAdmin, request: HttpRequest, name: str, secrets: dict[str, str]) -> HttpResponse:
    """The response to an add form, with the secrets. There is no redirect: a message for the next page would put the
    secrets into a cookie."""
    back = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    context = {**admin.admin_site.each_context(request), "name": name, "secrets": secrets, "back": back}
    return TemplateResponse(request, "tenants/shown_once.html", context)  # the admin adds `Cache-Control: no-store`
