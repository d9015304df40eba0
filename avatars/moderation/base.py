"""The seam: an engine says what is in a picture. What follows from it is the policy's business."""

from abc import ABC, abstractmethod
from typing import ClassVar

from avatars.moderation.types import ModerationResult, S3Object


class EngineRetry(Exception):
    """No answer this time; the same question may be answered later. `after`: seconds the vendor asked for, or None."""

    def __init__(self, code: str, after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after = after


class EngineMisconfigured(Exception):
    """No picture will be answered before an operator has changed something. `code` is the vendor's own word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class EngineRefused(Exception):
    """This picture will never be answered, others will. `code` is the vendor's own word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Engine(ABC):
    """Safe to share between threads; makes its connections and loads its models on first use, so after any fork."""

    name: ClassVar[str]

    @abstractmethod
    def moderate(self, image: bytes, *, s3_object: S3Object | None = None) -> ModerationResult:
        """Label one master: JPEG or PNG, at least 80 px a side, at most 5 MB.

        `s3_object`: where the same bytes are, for an engine that would rather fetch them.
        Raises EngineRetry, EngineMisconfigured or EngineRefused, and nothing else.
        """
