"""An engine that labels by colour, for tests and for installations without an engine."""

import io
from collections.abc import Mapping
from typing import ClassVar

from PIL import Image
from typing_extensions import override

from avatars.moderation.base import Engine, EngineMisconfigured, EngineRefused, EngineRetry
from avatars.moderation.taxonomy import NON_EXPLICIT, PARENT, level
from avatars.moderation.types import ModerationLabel, ModerationResult, S3Object

# The labels of each colour.
SCRIPT: Mapping[str, tuple[tuple[str, float], ...]] = {
    "red": (("Explicit", 99.0), ("Explicit Nudity", 99.0)),
    "yellow": ((NON_EXPLICIT, 60.0), ("Non-Explicit Nudity", 60.0)),
    "magenta": (("A Label Of Tomorrow", 90.0),),
    "green": (),
    "blue": (("Alcohol", 93.0), ("Alcohol Use", 93.0), ("Drinking", 93.0)),
    "grey": (),
}


class StubEngine(Engine):
    """Labels by the mean colour (`SCRIPT`). Cyan stands for an engine that is down, black for a refusal, white for a
    misconfiguration.

    `everything_to_review`: gives every picture a label that no policy knows, so that a person reviews it.
    """

    name: ClassVar[str] = "stub"

    def __init__(self, *, everything_to_review: bool = False) -> None:
        self._everything_to_review = everything_to_review

    @override
    def moderate(self, image: bytes, *, s3_object: S3Object | None = None) -> ModerationResult:
        if self._everything_to_review:
            label = ModerationLabel(Name="No Engine Looked", ParentName="", Confidence=100.0, TaxonomyLevel=1)
            return ModerationResult(labels=(label,), engine="none", ModerationModelVersion="stub 1")
        colour = colour_of(image)
        match colour:
            case "cyan":
                raise EngineRetry("ThrottlingException", after=0.1)
            case "white":
                raise EngineMisconfigured("AccessDeniedException")
            case "black":
                raise EngineRefused("InvalidImageFormatException")
        labels = tuple(
            ModerationLabel(
                Name=name, ParentName=PARENT.get(name, ""), Confidence=value, TaxonomyLevel=level(name) or 1
            )
            for name, value in SCRIPT[colour]
        )
        raw = {"ModerationLabels": [label.as_json() for label in labels], "colour": colour}
        return ModerationResult(labels=labels, engine=self.name, ModerationModelVersion="stub 1", raw=raw)


def colour_of(image: bytes) -> str:
    """The picture's mean colour, as one of eight corners of the RGB cube, or grey."""
    with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened:
        mean = opened.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    if any(64 <= value < 192 for value in mean):
        return "grey"
    return _CORNERS["".join("01"[value >= 192] for value in mean)]


_CORNERS = {
    "100": "red",
    "110": "yellow",
    "101": "magenta",
    "010": "green",
    "001": "blue",
    "011": "cyan",
    "111": "white",
    "000": "black",
}
