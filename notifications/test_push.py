"""“Send a test push”: from a form, or from the list of devices."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from typing_extensions import override
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from devices.admin import DeviceAdmin
from devices.models import Device
from notifications import services
from notifications.drafts import NotificationDraft
from notifications.models import Notification

TITLE = "Test push"
BODY = "If you can read this, it works."


def draft_of_test_push(*, to: dict[str, list[str]], title: str = TITLE, body: str = BODY) -> NotificationDraft:
    return NotificationDraft(to=to, content={"title": title, "body": body}, ttl=3600)


class PushForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A test push, to one user or one device."""

    user_id = forms.CharField(required=False, max_length=255, widget=UnfoldAdminTextInputWidget)
    device_id = forms.UUIDField(required=False, widget=UnfoldAdminTextInputWidget)
    title = forms.CharField(max_length=100, initial=TITLE, widget=UnfoldAdminTextInputWidget)
    body = forms.CharField(required=False, max_length=500, initial=BODY, widget=UnfoldAdminTextareaWidget)

    class Meta:
        model = Notification
        fields = ["tenant"]

    @override
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("user_id")) == bool(data.get("device_id")):
            raise ValidationError("Name a user or a device, one of them.")
        return data

    def draft(self) -> NotificationDraft:
        data = self.cleaned_data
        to = {"users": [data["user_id"]]} if data["user_id"] else {"devices": [str(data["device_id"])]}
        return draft_of_test_push(to=to, title=data["title"], body=data["body"])


class TestPushDeviceAdmin(DeviceAdmin):
    """The page of devices with one action more: their room may not know this one."""

    actions = [*DeviceAdmin.actions, "send_test_push"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_notification")

    @admin.action(description="Send a test push", permissions=["send"])
    def send_test_push(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        for device in queryset.select_related("tenant"):
            draft = draft_of_test_push(to={"devices": [str(device.device_id)]})
            sent = services.notification_create(tenant=device.tenant, data=draft)
            url = reverse("admin:notifications_delivery_changelist", query={"q": str(sent.id)})
            text = format_html('{}: <a href="{}">see what becomes of it</a>', device, url)
            self.log_change(request, device, f"send_test_push: {sent.id}")
            self.message_user(request, text, messages.SUCCESS)


admin.site.unregister(Device)
admin.site.register(Device, TestPushDeviceAdmin)
