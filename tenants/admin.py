"""The console's pages of tenants, their keys and their users. All changes go through services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.exceptions import ValidationError as InvalidProfile
from typing_extensions import override
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from pushhub.http.api import field_errors, json_read
from pushhub.kernel.errors import ApiError
from tenants.admin_base import FastAdmin, HistoryAdmin, shown_once
from tenants.api.serializers import UserReplaceSerializer
from tenants.erasure import end_user_erase
from tenants.models import ApiKey, EndUser, IdempotencyRecord, IdentityKey, Tenant
from tenants.scopes import Scope
from tenants.services import (
    apikey_create,
    apikey_revoke,
    end_user_update,
    identity_key_algorithm,
    identity_key_create,
    identity_key_import,
    identity_key_revoke,
    tenant_create,
)
from tenants.throttling import LIMIT_MAX


class SecretAdmin(FastAdmin):
    """Pages of objects that have secrets when they are created. `create` calls the service and returns (object, secrets
    by title). The secrets are shown once."""

    def create(self, data: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        created, request.shown_once = self.create(form.cleaned_data)  # type: ignore[attr-defined]
        obj.__dict__.update(created.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return shown_once(self, request, str(obj), request.shown_once)  # type: ignore[attr-defined]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tenants are deactivated and keys are revoked instead, so that the history stays complete."""
        return False


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean_rate_limits(self) -> dict[str, int]:
        limits = self.cleaned_data["rate_limits"] or {}
        if not isinstance(limits, dict) or not limits.keys() <= {"server", "user"}:
            raise ValidationError('Must be an object with "server", "user" or both.')
        if any(type(limit) is not int or not 0 < limit <= LIMIT_MAX for limit in limits.values()):
            raise ValidationError(f"A limit must be a whole number from 1 to {LIMIT_MAX:,}.")
        return limits


@admin.register(Tenant)
class TenantAdmin(SecretAdmin):
    form = TenantForm
    list_display = ["slug", "name", "is_active", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["slug__exact", "name"]
    readonly_fields = ["id", "created_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        limits = ["rate_limits", "deliveries_per_second", "device_retire_days"]
        allowed = ["cors_origins", "push_hosts", "link_schemes"]
        return ["slug", "name", *([] if obj is None else ["is_active", *allowed, *limits, "id", "created_at"])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else [*self.readonly_fields, "slug"]

    @override
    def create(self, data: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        created = tenant_create(slug=data["slug"], name=data["name"])
        identity_key = created.identity_key
        secrets = {
            "Server key": created.server_key,
            f"Identity key {identity_key.key.kid} ({identity_key.key.alg})": identity_key.secret,
            **{name.replace("_", " ").capitalize(): str(value) for name, value in created.extra.items()},
        }
        return created.tenant, secrets


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ["tenant", "name", "scopes", "expires_at"]

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("The expiry must be in the future.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(SecretAdmin):
    form = ApiKeyForm
    list_display = ["__str__", "tenant", "name", "expires_at", "revoked_at", "last_used_at"]
    list_select_related = ["tenant"]
    list_filter = [("tenant", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["prefix__exact", "tenant__slug__exact"]
    autocomplete_fields = ["tenant"]
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["tenant", "scopes", "prefix", "revoked_at", "last_used_at", "created_at"]

    @override
    def create(self, data: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        created = apikey_create(**data)
        return created.key, {"Server key": created.server_key}

    @admin.action(description="Revoke: the key is refused from the next request on", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("tenant"):
            apikey_revoke(tenant=key.tenant, prefix=key.prefix)
            self.log_change(request, key, "revoke: done")


class IdentityKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    kid = forms.RegexField(
        r"^[A-Za-z0-9._~-]{1,64}\Z", required=False, help_text="The kid in the tokens. The default is a random kid."
    )
    public_key = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget,
        help_text="PEM: P-256 for ES256, RSA for RS256. Without it an HS256 secret is generated and shown once.",
    )

    class Meta:
        model = IdentityKey
        fields = ["tenant", "kid", "public_key"]

    def clean_public_key(self) -> str:
        public_key: str = self.cleaned_data["public_key"]
        try:
            if public_key:
                identity_key_algorithm(public_key)
        except ApiError as error:
            raise ValidationError(error.detail) from None
        return public_key


@admin.register(IdentityKey)
class IdentityKeyAdmin(SecretAdmin):
    form = IdentityKeyForm
    list_display = ["kid", "alg", "tenant", "created_at", "revoked_at"]
    list_select_related = ["tenant"]
    list_filter = [("tenant", admin.RelatedOnlyFieldListFilter), "alg"]
    search_fields = ["kid__exact", "tenant__slug__exact"]
    autocomplete_fields = ["tenant"]
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["tenant", "kid", "alg", "public_key", "revoked_at", "created_at"]

    @override
    def create(self, data: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        tenant, kid, public_key = data["tenant"], data["kid"], data["public_key"]
        if public_key:
            return identity_key_import(tenant=tenant, public_key=public_key, kid=kid).key, {}
        created = identity_key_create(tenant=tenant, kid=kid)
        return created.key, {f"Secret of {created.key.kid} ({created.key.alg})": created.secret}

    @admin.action(description="Revoke: the key's tokens are refused from the next request on", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[IdentityKey]) -> None:
        for key in queryset.select_related("tenant"):
            identity_key_revoke(tenant=key.tenant, kid=key.kid)
            self.log_change(request, key, "revoke: done")


class EndUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """Accepts the values that `PUT /v1/users/{user_id}` accepts, by the same rules."""

    @override
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "attributes" in self.errors:
            return cleaned
        attributes = json_read((self.data.get("attributes") or "{}").encode())
        profile = UserReplaceSerializer(data={**cleaned, "attributes": attributes})
        try:
            profile.is_valid(raise_exception=True)
        except InvalidProfile as invalid:
            errors = {error.pointer.split("/")[1]: error.detail for error in field_errors(invalid.detail)}
            raise ValidationError(errors) from None
        return {**cleaned, **profile.validated_data}


@admin.register(EndUser)
class EndUserAdmin(FastAdmin):
    """Deleting a user erases the user, with the erase steps of all apps."""

    form = EndUserForm
    list_display = ["user_id", "tenant", "locale", "timezone", "updated_at"]
    list_select_related = ["tenant"]
    list_filter = [("tenant", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["user_id__exact"]
    ordering = ["tenant_id", "user_id"]
    readonly_fields = ["tenant", "user_id", "created_at", "updated_at"]
    fields = ["tenant", "user_id", "attributes", "locale", "timezone", "created_at", "updated_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: EndUser, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        end_user_update(tenant=obj.tenant, user_id=obj.user_id, changes=changes)

    @override
    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Only the users. `end_user_erase` deletes the related objects, which needs no other permissions."""
        users = [str(user) for user in objs]
        return users, {str(self.opts.verbose_name_plural): len(users)}, set(), []

    def delete_model(self, request: HttpRequest, obj: EndUser) -> None:
        end_user_erase(tenant=obj.tenant, user_id=obj.user_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EndUser]) -> None:
        for user in queryset.select_related("tenant"):
            self.delete_model(request, user)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(HistoryAdmin):
    list_display = ["id", "tenant", "route", "status", "created_at"]
    list_select_related = ["tenant"]
    fields = ["tenant", "caller", "route", "key", "status", "created_at"]
    ordering = ["-id"]
