"""Square thumbnails, from the master's pixels only."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

WEBP_QUALITY = 80
# 0 of 6 takes a third of the CPU of the default, 4.
WEBP_METHOD = 0
JPEG_QUALITY = 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One file to serve. `format` is "webp" or "jpeg", `size` its side in pixels, `sha256` hexadecimal."""

    size: int
    format: str
    bytes: bytes = field(repr=False)
    sha256: str

    @property
    def content_type(self) -> str:
        return f"image/{self.format}"


def thumbnails_make(master: bytes, sizes: Sequence[int]) -> list[Variant]:
    """For each size a WebP and a JPEG of exactly size × size: the master's middle square, enlarged if it must be.

    Decodes in this process: pushhub's own encoder wrote the master.
    """
    found: list[Variant] = []
    with Image.open(io.BytesIO(master), formats=("JPEG", "PNG")) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        pixels = image.convert("RGB").crop((left, top, left + side, top + side))
    # Largest first: each size is made from the one before, which is a quarter of the work.
    for size in sorted(set(sizes), reverse=True):
        pixels = pixels.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
        found += [_variant(pixels, size, "webp"), _variant(pixels, size, "jpeg")]
    return found


def _variant(pixels: Image.Image, size: int, form: str) -> Variant:
    file = io.BytesIO()
    if form == "webp":
        pixels.save(file, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD)
    else:
        pixels.save(file, "JPEG", quality=JPEG_QUALITY)
    body = file.getvalue()
    return Variant(size=size, format=form, bytes=body, sha256=hashlib.sha256(body).hexdigest())
