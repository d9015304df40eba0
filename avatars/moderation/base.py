"""The interface of engines. An engine says what is in a picture; the policy decides what follows."""

from abc import ABC, abstractmethod
from typing import ClassVar

from avatars.moderation.types import ModerationResult, S3Object


class EngineRetry(Exception):
    """No result this time; a later call may have one. `after`: the seconds that the vendor asked for, or None."""

    def __init__(self, code: str, after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after = after


class EngineMisconfigured(Exception):
    """No picture gets a result before an operator has changed the configuration. `code` is the vendor's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class EngineRefused(Exception):
    """This picture will never get a result; others will. `code` is the vendor's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Engine(ABC):
    """Safe to share between threads. Connections are made and models loaded on first use, so after any fork."""

    name: ClassVar[str]

    @abstractmethod
    def moderate(self, image: bytes, *, s3_object: S3Object | None = None) -> ModerationResult:
        """Label one master: JPEG or PNG, at least 80 px a side, at most 5 MB.

        `s3_object`: where the same bytes are, for an engine that fetches them itself.
        Raises EngineRetry, EngineMisconfigured or EngineRefused, and nothing else.
        """
