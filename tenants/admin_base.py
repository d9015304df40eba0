"""What the rooms' admin pages share: lists that stay fast on large tables, and rows that are history."""

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
    """Counts to a cap and no further: count(*) of a large table takes seconds. Beyond, one narrows the search."""

    @cached_property
    @override
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNT_CAP].count() if hasattr(rows, "order_by") else len(rows)


class TypedJsonField(forms.JSONField):
    """JSON by the rules of the API's bodies: PostgreSQL stores neither NUL nor Infinity.

    A refused text comes back as it was typed: Django would write its value, and half a surrogate pair has no UTF-8.
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
    """Search fields of subclasses are exact and indexed (`user_id__exact`); foreign keys are not drop-downs."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    formfield_overrides = {models.JSONField: {"form_class": TypedJsonField}}

    @override
    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_changeform_initial_data(request)
        for name, value in found.items():
            with contextlib.suppress(FieldDoesNotExist):
                _check(self.opts.get_field(name), value)
        return found

    @override
    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            _check(self.opts.pk, value)
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer


def _check(field: Any, value: Any) -> None:
    """Raises BadRequest for what a link or a form of ours never says."""
    try:
        field.to_python(value)
    except ValidationError:
        raise BadRequest(f"{field.name} cannot be that.") from None


class ExactSearch:
    """Before FastAdmin: each of `search_fields`, all of them exact, is searched by its own index; the first that has
    the term counts. Django would compare ids as texts, and all columns at once: both read the whole table."""

    search_fields: Sequence[str]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not (term := search_term.strip()):
            return queryset, False
        found = queryset.none()
        for field in self.search_fields:
            with contextlib.suppress(ValidationError, ValueError):  # not an id: then it is none of these
                found = queryset.filter(**{field: term})
                if found.exists():
                    break
        return found, False


class HistoryAdmin(FastAdmin):
    """To be read, not changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OperatedAdmin(HistoryAdmin):
    """Rows to be read; actions with `permissions=["operate"]` for whoever may change them (the roles support and
    admin)."""

    operate_permission = ""  # of the row's own model, if left out

    def has_operate_permission(self, request: HttpRequest) -> bool:
        own = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return request.user.has_perm(self.operate_permission or own)

    def operate(self, request: HttpRequest, queryset: QuerySet[Any], service: Callable[[Any], object]) -> None:
        """An action: call `service` with each row. A message says what it answered ("done", if that is no text) or why
        it could not be done; the row's history, who did it."""
        for row in queryset.select_related("tenant"):
            try:
                answer = service(row)
            except ApiError as error:
                self.message_user(request, f"{row}: {error.detail}", messages.WARNING)
                continue
            done = answer if isinstance(answer, str) else "done"
            self.log_change(request, row, f"{request.POST['action']}: {done}")
            self.message_user(request, f"{row}: {done}", messages.SUCCESS)


def shown_once(admin: FastAdmin, request: HttpRequest, made: str, secrets: dict[str, str]) -> HttpResponse:
    """The answer to an add form, secrets included. Rendered at once: a message would carry them in a cookie."""
    back = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    context = {**admin.admin_site.each_context(request), "made": made, "secrets": secrets, "back": back}
    return TemplateResponse(request, "tenants/shown_once.html", context)  # the admin itself says no-store
