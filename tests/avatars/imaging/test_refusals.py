"""Which files are refused, with which fault, and that a refusal is cheap."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from avatars.imaging.helper import Helper
from avatars.imaging.inspect import image_inspect
from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import ImageFault, ImageLimits, ImageRefused
from bench.bombs import bombs_run
from tests.avatars.imaging.builders import FORMATS, animated, chunk, drawing, encoded, gif_of_frames, png

HTML = b"<html><script>alert(1)</script></html>"
ZIP = b"PK\x03\x04" + b"\0" * 40 + b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x10\0\0\0\0\0\0\0\0\0"


def fault(data: bytes, **limits: int) -> ImageFault | None:
    try:
        image_normalise(data, ImageLimits(**limits))
    except ImageRefused as refused:
        return refused.code
    return None


def broken_checksum(whole: bytes) -> bytes:
    """A wrong checksum of the header chunk."""
    at = whole.index(b"IHDR") + 17
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def broken_stream(whole: bytes) -> bytes:
    """A wrong byte in the middle of the pixels."""
    at = whole.index(b"IDAT") + 40
    return whole[:at] + b"\xff" * 8 + whole[at + 8 :]


REFUSED: dict[str, tuple[bytes, ImageFault]] = {
    "nothing": (b"", ImageFault.EMPTY),
    "text": (b"hello, world", ImageFault.NOT_AN_IMAGE),
    "html": (HTML, ImageFault.NOT_AN_IMAGE),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', ImageFault.SVG),
    "svg after a byte order mark": (b"\xef\xbb\xbf  <svg onload='alert(1)'>", ImageFault.SVG),
    "svg in utf-16": ("<svg/>".encode("utf-16"), ImageFault.SVG),
    "bmp": (encoded("BMP"), ImageFault.UNSUPPORTED),
    "tiff": (encoded("TIFF"), ImageFault.UNSUPPORTED),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ImageFault.UNSUPPORTED),
    "a tiny one": (encoded("PNG", drawing(79, 200)), ImageFault.TOO_SMALL),
    "a ribbon": (encoded("PNG", drawing(1700, 80)), ImageFault.TOO_NARROW),
    "a wide one": (encoded("PNG", drawing(17_000, 900)), ImageFault.TOO_MANY_PIXELS),
    "jpeg and zip": (encoded("JPEG") + ZIP, ImageFault.POLYGLOT),
    "gif and html": (encoded("GIF") + HTML, ImageFault.POLYGLOT),
    "png and php": (encoded("PNG") + b"<?php system($_GET[0]);", ImageFault.POLYGLOT),
    "webp and program": (encoded("WEBP") + b"\x7fELF" + b"\0" * 60, ImageFault.POLYGLOT),
    "png and gif": (encoded("PNG") + encoded("GIF"), ImageFault.POLYGLOT),
    "jpeg with a pdf within": (encoded("JPEG", comment=b"%PDF-1.7 "), ImageFault.POLYGLOT),
    "jpeg without an end": (encoded("JPEG")[:-2], ImageFault.TRUNCATED),
    "png without pixels": (png(100, 100).replace(b"IDAT", b"iDOT"), ImageFault.CORRUPT),
    "png of too few pixels": (png(100, 100), ImageFault.TRUNCATED),
    "jpeg of two pictures": (encoded("JPEG")[:-2] + encoded("JPEG")[2:], ImageFault.CORRUPT),
    "png whose pixels break off": (broken_stream(encoded("PNG")), ImageFault.CORRUPT),
    "png with a broken checksum": (broken_checksum(encoded("PNG")), ImageFault.CORRUPT),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_fault(name: str) -> None:
    data, expected = REFUSED[name]
    assert fault(data) == expected


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(format: str, part: float) -> None:
    whole = encoded(format, drawing(400, 300))
    assert fault(whole[: int(len(whole) * part)]) in {ImageFault.TRUNCATED, ImageFault.CORRUPT}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_limits(format: str) -> None:
    whole = encoded(format)
    assert fault(whole, max_bytes=len(whole)) is None
    assert fault(whole, max_bytes=len(whole) - 1) == ImageFault.TOO_LARGE
    assert fault(whole, max_pixels=240 * 160) is None
    assert fault(whole, max_pixels=240 * 160 - 1) == ImageFault.TOO_MANY_PIXELS


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_frames_are_limited(format: str) -> None:
    whole = animated(format, 5)
    assert fault(whole, max_frames=5) is None
    assert fault(whole, max_frames=4) == ImageFault.TOO_MANY_FRAMES


def test_a_jpeg_of_a_thousand_scans_is_refused_before_decoding() -> None:
    whole = encoded("JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    with pytest.raises(ImageRefused, match="too many scans"):
        image_inspect(whole[:start] + whole[start:-2] * 1000 + b"\xff\xd9", ImageLimits())


def test_a_gif_frame_beyond_the_canvas_counts() -> None:
    body = bytearray(encoded("GIF", drawing(100, 100)))
    at = body.index(b"\x2c\0\0\0\0")
    body[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    assert fault(bytes(body)) == ImageFault.TOO_MANY_PIXELS


def test_an_avif_that_is_larger_than_announced_runs_out_of_memory() -> None:
    """libavif decodes the frame at its real size and scales it to the announced size."""
    side = (4_000).to_bytes(4, "big")
    whole = encoded("AVIF", Image.new("RGB", (4_000, 4_000)), speed=10, subsampling="4:4:4")
    small = whole.replace(side * 2, (100).to_bytes(4, "big") * 2)
    helper = Helper(memory=80 * 1024 * 1024)
    assert small != whole
    with contextlib.closing(helper), pytest.raises(ImageRefused):
        image_normalise(small, helper=helper)


def test_a_text_chunk_bomb_is_refused() -> None:
    import zlib

    text = b"Comment\0\0" + zlib.compress(b"a" * 80_000_000, 9)
    assert fault(png(100, 100, pixels=b"\0" * 30_100, extra=chunk(b"zTXt", text))) == ImageFault.CORRUPT


@pytest.mark.parametrize("code", ImageFault)
def test_every_fault_has_a_sentence(code: ImageFault) -> None:
    assert code.sentence.endswith(".")
    assert len(code.sentence) <= 120


BOMBS = {
    "900 megapixels": (png(30_000, 30_000, pixels=b"\0" * 30_000_000), ImageFault.TOO_MANY_PIXELS),
    "50,000 frames": (gif_of_frames(50_000), ImageFault.TOO_MANY_FRAMES),
}
MEASURE = """
import json, resource, sys
from pathlib import Path
from avatars.imaging.normalise import image_normalise, process_helper
from avatars.imaging.types import ImageLimits, ImageRefused
def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
image_normalise(Path(sys.argv[2]))
before = peak("self"), peak(process_helper().pid)
try:
    image_normalise(Path(sys.argv[1]), ImageLimits(max_bytes=int(sys.argv[3])))
    code = ""
except ImageRefused as refused:
    code = refused.code
after = peak("self"), peak(process_helper().pid)
print(json.dumps([code, after[0] - before[0], after[1] - before[1]]))
"""


def grown(path: Path, tmp_path: Path, max_bytes: int) -> tuple[str, int, int]:
    """In a separate process: the fault, and by how many kB that process and its decoder grew."""
    harmless = tmp_path / "harmless"
    harmless.write_bytes(encoded("PNG"))
    arguments = [sys.executable, "-c", MEASURE, str(path), str(harmless), str(max_bytes)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    code, here, there = json.loads(done.stdout)
    return code, here, there


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_constant_memory(name: str, tmp_path: Path) -> None:
    data, expected = BOMBS[name]
    bomb = tmp_path / "bomb"
    bomb.write_bytes(data)
    code, here, there = grown(bomb, tmp_path, max_bytes=50 * 1024 * 1024)
    assert code == expected
    assert here * 1024 < len(data) * 2 + 4_000_000
    assert there < 4_000


def test_the_benchmark_has_every_bomb() -> None:
    expected = [ImageFault.TOO_MANY_PIXELS, ImageFault.TOO_MANY_FRAMES, ImageFault.TOO_LARGE]
    assert [row["refused as"] for row in bombs_run()] == [fault.value for fault in expected]


def test_a_gigabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jpg"
    with bomb.open("wb") as file:
        file.write(encoded("JPEG"))
        os.truncate(file.fileno(), 1024**3)
    code, here, there = grown(bomb, tmp_path, max_bytes=1024 * 1024)
    assert (code, here < 6_000, there < 4_000) == (ImageFault.TOO_LARGE, True, True)


@pytest.mark.parametrize("code", ImageFault)
def test_the_documentation_has_every_sentence(code: ImageFault) -> None:
    documented = (Path(__file__).resolve().parents[3] / "docs" / "avatars.md").read_text("utf-8")
    assert f"| `{code}` | {code.sentence} |" in documented
