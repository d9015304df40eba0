"""The operators' pages of apps, devices and jobs. Every change calls a service; no page shows a secret."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from typing_extensions import override

from devices import services
from devices.bulk.models import Job, JobError
from devices.bulk.services import job_cancel
from devices.models import App, AwsQuota, CallbackReceipt, Device, VapidKey
from providers.registry import device_platforms, provider_get, providers_all
from tenants.admin_base import FastAdmin, HistoryAdmin, OperatedAdmin
from tenants.models import EndUser, Tenant

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)


class ProviderFilter(admin.SimpleListFilter):
    """Reads the registry: Django would read every row for the values of a column without choices."""

    title = "provider"
    parameter_name = "provider__exact"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(provider.name, provider.title) for provider in providers_all()]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[App]) -> QuerySet[App]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class PlatformFilter(admin.SimpleListFilter):
    """As ProviderFilter."""

    title = "platform"
    parameter_name = "platform__exact"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(platform, platform) for platform in device_platforms()]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        return queryset.filter(platform=self.value()) if self.value() else queryset


@admin.register(App)
class AppAdmin(OperatedAdmin):
    list_display = ["name", "tenant", "shown_provider", "sns_platform", "state", "state_reason", "verified_at"]
    list_filter = [ProviderFilter, "state", BY_TENANT]
    list_select_related = ["tenant"]
    search_fields = ["id__exact", "platform_application_arn__exact", "name__exact", "tenant__slug__exact"]
    exclude = ["credentials_sealed"]
    actions = ["verify", "rotate_vapid_key", "disable", "enable"]

    @admin.display(description="provider", ordering="provider")
    def shown_provider(self, app: App) -> str:
        return provider_get(app.provider).title

    @admin.action(description="Verify the credentials", permissions=["operate"])
    def verify(self, request: HttpRequest, queryset: QuerySet[App]) -> None:
        self.operate(request, queryset, lambda app: services.app_verify(tenant=app.tenant, app=app))

    @admin.action(description="Rotate the VAPID key", permissions=["operate"])
    def rotate_vapid_key(self, request: HttpRequest, queryset: QuerySet[App]) -> None:
        self.operate(request, queryset, lambda app: services.vapid_key_rotate(tenant=app.tenant, app=app))

    @admin.action(description="Disable: deliveries wait", permissions=["operate"])
    def disable(self, request: HttpRequest, queryset: QuerySet[App]) -> None:
        self.operate(request, queryset, lambda app: services.app_update(tenant=app.tenant, app=app, enabled=False))

    @admin.action(description="Enable", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[App]) -> None:
        self.operate(request, queryset, lambda app: services.app_update(tenant=app.tenant, app=app, enabled=True))


@admin.register(VapidKey)
class VapidKeyAdmin(HistoryAdmin):
    list_display = ["public_key", "app", "tenant", "contact", "created_at", "retired_at"]
    list_filter = [BY_TENANT]
    list_select_related = ["app", "tenant"]
    search_fields = ["id__exact", "public_key__exact", "tenant__slug__exact"]
    exclude = ["private_key_sealed"]


@admin.register(Device)
class DeviceAdmin(OperatedAdmin):
    list_display = ["device_id", "tenant", "shown_user", "platform", "app", "endpoint_state", "endpoint_reason", "seen"]
    list_filter = ["endpoint_state", PlatformFilter]
    list_select_related = ["tenant", "user", "app"]
    ordering = ["-id"]
    search_fields = ["device_id__exact", "user__user_id__exact", "endpoint_arn__exact"]
    search_help_text = "Exactly: a device id, a user id or an EndpointArn."
    exclude = ["secret_hash", "endpoint_sealed", "endpoint_hash", "provision_lease"]
    actions = ["disable", "enable"]

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Device], search_term: str
    ) -> tuple[QuerySet[Device], bool]:
        """Each kind of term uses its own index: one OR over all columns would read the whole table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.startswith("arn:"):
            return queryset.filter(tenant__in=Tenant.objects.all(), app__in=_apps_of(term), endpoint_arn=term), False
        if _UUID.fullmatch(term):
            return queryset.filter(tenant__in=Tenant.objects.all(), device_id=term, deleted_at=None), False
        users = EndUser.objects.filter(tenant__in=Tenant.objects.all(), user_id=term)
        return queryset.filter(tenant__in=Tenant.objects.all(), user__in=users, deleted_at=None), False

    @admin.display(description="user")
    def shown_user(self, device: Device) -> str:
        return device.user.user_id if device.user else "–"

    @admin.display(description="last seen", ordering="last_seen_at")
    def seen(self, device: Device) -> Any:
        return device.last_seen_at

    @admin.action(description="Disable: nothing is sent until an operator enables it", permissions=["operate"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        self.operate(request, queryset, lambda row: services.device_disable(tenant=row.tenant, device_id=row.device_id))

    @admin.action(description="Enable", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        self.operate(request, queryset, lambda row: services.device_enable(tenant=row.tenant, device_id=row.device_id))


def _apps_of(endpoint_arn: str) -> QuerySet[App]:
    """An endpoint's ARN names its application: `…:endpoint/APNS/acme/<id>` → `…:app/APNS/acme`."""
    application = endpoint_arn.replace(":endpoint/", ":app/", 1).rpartition("/")[0]
    return App.objects.filter(platform_application_arn=application)


@admin.register(AwsQuota)
class AwsQuotaAdmin(FastAdmin):
    """`rate`: for an operator to whom AWS has granted more than its default."""

    list_display = ["account_id", "region", "rate", "tokens", "refilled_at"]
    search_fields = ["account_id__exact"]
    fields = ["account_id", "region", "rate", "tokens", "refilled_at"]
    readonly_fields = ["account_id", "region", "tokens", "refilled_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CallbackReceipt)
class CallbackReceiptAdmin(HistoryAdmin):
    list_display = ["message_id", "tenant", "app", "created_at", "confirm_due_at", "confirm_attempts"]
    list_select_related = ["tenant", "app"]
    ordering = ["-id"]
    search_fields = ["app__id__exact"]
    exclude = ["subscribe_url_sealed"]


@admin.register(Job)
class JobAdmin(OperatedAdmin):
    """Imports and exports."""

    list_display = ["id", "tenant", "kind", "format", "state", "reason", "done", "total", "failed", "created_at"]
    list_filter = ["state", "kind", BY_TENANT]
    list_select_related = ["tenant"]
    ordering = ["-id"]
    search_fields = ["id__exact", "tenant__slug__exact"]
    readonly_fields = ["created_at"]
    actions = ["cancel"]

    @admin.action(description="Cancel: rows that are written stay", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.operate(request, queryset, lambda job: job_cancel(tenant=job.tenant, job_id=job.id).state)


@admin.register(JobError)
class JobErrorAdmin(HistoryAdmin):
    list_display = ["job", "line", "code", "detail", "pointer"]
    list_select_related = ["job"]
    ordering = ["-id"]
    search_fields = ["job__id__exact"]
    search_help_text = "Exactly: a job's id."
