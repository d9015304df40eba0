"""Labels and results in Amazon Rekognition's terms and spelling, for every engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# Labels are stored from this confidence up, so that a stricter policy can be applied to them later.
KEPT_FROM = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationLabel:
    """`Confidence` 0–100, `ParentName` "" at the top, `TaxonomyLevel` 1–3 (Rekognition API, ModerationLabel)."""

    Name: str
    ParentName: str
    Confidence: float
    TaxonomyLevel: int

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From the vendor's JSON or the stored one; members may be absent. Raises nothing: the policy handles unknown
        values."""
        return cls(
            Name=str(given.get("Name", "")),
            ParentName=str(given.get("ParentName", "")),
            Confidence=_number(given.get("Confidence"), missing=100.0),
            TaxonomyLevel=int(_number(given.get("TaxonomyLevel"), missing=0.0)),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "Name": self.Name,
            "ParentName": self.ParentName,
            "Confidence": self.Confidence,
            "TaxonomyLevel": self.TaxonomyLevel,
        }


def _number(value: object, *, missing: float) -> float:
    return float(value) if isinstance(value, int | float) else missing


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """Where the same bytes are in S3. `version` pins the content."""

    bucket: str
    key: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationResult:
    """`labels` from confidence 20 up; `raw`: the engine's own response, JSON; `engine`: its name."""

    labels: tuple[ModerationLabel, ...]
    engine: str
    ModerationModelVersion: str
    raw: Mapping[str, Any] = field(default_factory=dict)
