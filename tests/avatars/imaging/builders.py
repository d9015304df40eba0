"""Pictures made for the tests: one of every accepted format, and files that only look like pictures."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


def drawing(width: int = 240, height: int = 160, mode: str = "RGB") -> Image.Image:
    """Red left half, blue right half, a green corner at the top left, so that the orientation is visible."""
    image = Image.new("RGB", (width, height), "red")
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height), fill="blue")
    draw.rectangle((0, 0, width // 4, height // 4), fill="lime")
    return image.convert(mode)


def encoded(format: str, image: Image.Image | None = None, **wish: Any) -> bytes:
    file = io.BytesIO()
    (image or drawing()).save(file, format, **wish)
    return file.getvalue()


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def animated(format: str, frames: int = 3) -> bytes:
    """The first frame is `drawing()`, the others are dark."""
    others = [Image.new("RGB", (240, 160), (0, 0, 0 if number % 2 else 90)) for number in range(frames - 1)]
    return encoded(format, save_all=True, append_images=others, duration=50)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, pixels: bytes = b"\0" * 64, extra: bytes = b"") -> bytes:
    """A PNG that announces a size, which its pixels need not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def gif_of_frames(count: int) -> bytes:
    """One frame, repeated: its bytes are copied, so 50,000 frames are cheap to make."""
    still = encoded("GIF", drawing(100, 100).convert("P"))
    start = still.index(b"\x2c\0\0\0\0")
    return still[:start] + still[start:-1] * count + b";"


def colour_at(image: Image.Image, x: float, y: float) -> str:
    """The name of the colour at a position, given as fractions of width and height."""
    pixel = image.convert("RGB").getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))
    assert isinstance(pixel, tuple)
    names = {(True, False, False): "red", (False, False, True): "blue", (False, True, False): "lime"}
    names |= {(True, True, True): "white", (False, False, False): "black"}
    return names.get((pixel[0] > 127, pixel[1] > 127, pixel[2] > 127), str(pixel))
