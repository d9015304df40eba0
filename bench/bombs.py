"""Decompression bombs: how long a refusal takes, and how much memory the worker and its decoder need for it."""

import io
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from avatars.imaging.helper import Helper
from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import ImageLimits, ImageRefused
from bench.images import Meter, photograph

SIDE = 30_000
FRAMES = 50_000
LIMITS = ImageLimits(max_bytes=50 * 1024 * 1024)  # the most that a tenant may allow


def bombs_run() -> list[dict[str, Any]]:
    helper = Helper()
    image_normalise(photograph(400, 300), helper=helper)
    meter = Meter(helper)
    with tempfile.TemporaryDirectory() as folder:
        found = [_refused(name, path, helper, meter) for name, path in _bombs(Path(folder))]
    helper.close()
    return found


def _refused(name: str, path: Path, helper: Helper, meter: Meter) -> dict[str, Any]:
    meter.forget_peak()
    before, started, code = meter.memory_mb(), time.perf_counter(), "accepted"
    try:
        image_normalise(path, LIMITS, helper=helper)
    except ImageRefused as refused:
        code = refused.code.value
    took = (time.perf_counter() - started) * 1000
    grown = round(meter.memory_mb() - before, 1)
    return {"bomb": name, "bytes": path.stat().st_size, "refused as": code, "ms": round(took, 1), "grown MB": grown}


def _bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, body in (("900-megapixel PNG", _png()), (f"{FRAMES:,}-frame GIF", _gif())):
        path = folder / "bomb"
        path.write_bytes(body)
        yield name, path
    os.truncate(path, 1024**3)
    with path.open("r+b") as file:
        file.write(photograph(400, 300))
    yield "1 GB “JPEG”", path


def _png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + SIDE // 8) * SIDE), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _gif() -> bytes:
    """One frame, repeated."""
    file = io.BytesIO()
    Image.new("P", (100, 100)).save(file, "GIF")
    still = file.getvalue()
    start = still.index(b"\x2c\0\0\0\0")
    return still[:start] + still[start:-1] * FRAMES + b";"
