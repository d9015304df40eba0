"""A toy app: where Toy Push listens, and its key."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.apps import AppRecord, AppSettings, AppType
from providers.fields import Field, Text
from providers.keys import KeyPair
from pushhub.kernel.errors import ApiError, ErrorCode

from .types import ToyCredentials


class ToyApp(AppType):
    fields: ClassVar[tuple[Field, ...]] = (
        Text(name="toy_url", max_length=200, help="Where Toy Push listens."),
        Text(name="toy_key", max_length=100),
    )

    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        for name in ("toy_url", "toy_key"):
            if name not in body:
                raise ApiError(ErrorCode.INVALID, detail="A toy app needs a URL and a key.", pointer=f"/{name}")
        return AppSettings(secrets=body, replaces_credentials=True)

    @override
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> ToyCredentials:
        opened = secrets()
        return ToyCredentials(url=opened["toy_url"], key=opened["toy_key"])
