"""A web push app: its VAPID keys, and nothing else."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.apps import AppRecord, AppSettings, AppType, NewKey
from providers.errors import AppUnavailable
from providers.fields import Field
from providers.keys import KeyPair
from providers.webpush.base64url import b64url_decode
from providers.webpush.keys import VapidKeys
from providers.webpush.types import WebPushCredentials


class WebPushApp(AppType):
    fields: ClassVar[tuple[Field, ...]] = (VapidKeys.body,)

    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        vapid = body.get("vapid", {})
        key = NewKey(private_key=vapid.get("private_key", ""), contact=vapid.get("sub", ""), pointer="/vapid")
        return AppSettings(key=key)

    @override
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> WebPushCredentials:
        if key is None:
            raise AppUnavailable("the app has no VAPID key")
        return WebPushCredentials(
            key_id=key.id, private_key=key.private, public_key=b64url_decode(key.public), sub=key.contact
        )
