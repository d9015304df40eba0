"""What the imaging functions take, return and raise. Plain Python: no Django, no Pillow."""

from dataclasses import dataclass
from enum import StrEnum

# DetectModerationLabels: at least 80 px a side, at most 5 MB as Bytes (Amazon Rekognition guidelines and quotas).
MIN_SIDE = 80
MAX_MASTER_BYTES = 5 * 1024 * 1024
MAX_ASPECT = 20


class ImageFault(StrEnum):
    """Why a file is refused; `sentence` is for the person who uploaded it."""

    EMPTY = "image_empty"
    TOO_LARGE = "image_too_large"
    NOT_AN_IMAGE = "image_unrecognised"
    SVG = "image_svg"
    UNSUPPORTED = "image_unsupported_format"
    TOO_SMALL = "image_too_small"
    TOO_NARROW = "image_too_narrow"
    TOO_MANY_PIXELS = "image_too_many_pixels"
    TOO_MANY_FRAMES = "image_too_many_frames"
    TRUNCATED = "image_truncated"
    CORRUPT = "image_corrupt"
    POLYGLOT = "image_polyglot"
    TOO_COMPLEX = "image_too_complex"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    ImageFault.EMPTY: "The file is empty. Upload the picture again.",
    ImageFault.TOO_LARGE: "The file is too large. Upload a smaller one.",
    ImageFault.NOT_AN_IMAGE: "The file is not a picture. Upload a JPEG, PNG, WebP, GIF or AVIF file.",
    ImageFault.SVG: "SVG drawings are not accepted. Save it as PNG and upload that.",
    ImageFault.UNSUPPORTED: "This kind of picture is not accepted. Save it as JPEG or PNG and upload that.",
    ImageFault.TOO_SMALL: f"The picture is too small. Choose one with at least {MIN_SIDE} pixels on each side.",
    ImageFault.TOO_NARROW: f"The picture is too narrow. Crop it: one side may be {MAX_ASPECT} times the other at most.",
    ImageFault.TOO_MANY_PIXELS: "The picture has too many pixels. Make it smaller and upload it again.",
    ImageFault.TOO_MANY_FRAMES: "The animation has too many frames. Upload a still picture.",
    ImageFault.TRUNCATED: "The file ends too early. Upload the whole picture again.",
    ImageFault.CORRUPT: "The file is damaged. Open and save it again, or choose another one.",
    ImageFault.POLYGLOT: "The file holds more than a picture. Save the picture by itself and upload that.",
    ImageFault.TOO_COMPLEX: "The picture takes too long to read. Save it as a plain JPEG or PNG and upload that.",
}


class ImageRefused(Exception):
    """The picture is the cause: the same bytes are always refused. `detail` is for operators."""

    def __init__(self, code: ImageFault, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """`master_side`: the master's shorter side in pixels, up to a fifth more; a smaller picture is not enlarged."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 16_384
    max_frames: int = 1_000
    master_side: int = 640


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the file's own structure says: `format` as Pillow names it, pixels, frames."""

    format: str
    width: int
    height: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisedImage:
    """The master: one opaque sRGB frame, upright, without metadata, `format` JPEG or PNG, at most 5 MB.

    `width` and `height` are the master's; `source_format` and `frames` the upload's.
    """

    width: int
    height: int
    format: str
    bytes: bytes
    source_format: str
    frames: int
