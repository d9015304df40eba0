"""A stub app: the address of the server that plays the vendor."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.apps import AppRecord, AppSettings, AppType
from providers.fields import Field, Text
from providers.keys import KeyPair
from providers.stub.types import StubCredentials


class StubApp(AppType):
    fields: ClassVar[tuple[Field, ...]] = (Text(name="url", max_length=400),)

    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        return AppSettings(secrets={"url": body["url"]}, replaces_credentials=True)

    @override
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> StubCredentials:
        return StubCredentials(url=secrets()["url"])
