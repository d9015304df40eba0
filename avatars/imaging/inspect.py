"""What a file is by its content, without decoding a pixel: structure, size, frames, completeness.

Linear in the file's length, in constant memory. Raises ImageRefused. A file that passes may still fail to decode.
"""

import re
import struct
from collections.abc import Callable

from avatars.imaging.types import MAX_ASPECT, MIN_SIDE, ImageFault, ImageLimits, ImageRefused, Inspected

# An entropy-coded segment ends at the first marker that is neither stuffing (00), a restart (D0–D7) nor fill (FF).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Cameras write about ten scans; a file with thousands of tiny scans costs minutes of CPU.
_JPEG_MAX_SCANS = 100
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ISPE = re.compile(rb"ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)
_MARKUP = re.compile(rb"<\?php|<script|<html|<svg|<!doctype|<\?xml", re.IGNORECASE)
_EXECUTABLES = (b"\x7fELF", b"MZ", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"#!", b"\xca\xfe\xba\xbe")
_END_OF_ZIP = b"PK\x05\x06"


def image_inspect(data: bytes, limits: ImageLimits) -> Inspected:
    """Raise ImageRefused unless `data` is one whole JPEG, PNG, WebP, GIF or AVIF picture within the limits."""
    if not data:
        raise ImageRefused(ImageFault.EMPTY)
    if len(data) > limits.max_bytes:
        raise ImageRefused(ImageFault.TOO_LARGE, f"{len(data)} bytes")
    try:
        inspected, end = _walker(data)(data, limits)
    except (struct.error, IndexError):
        raise ImageRefused(ImageFault.TRUNCATED, "a header is cut off") from None
    size_check(inspected.width, inspected.height, limits)
    if inspected.frames > limits.max_frames:
        raise ImageRefused(ImageFault.TOO_MANY_FRAMES, f"more than {limits.max_frames}")
    _check_trailer(data, end)
    return inspected


def size_check(width: int, height: int, limits: ImageLimits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise ImageRefused(ImageFault.TOO_MANY_PIXELS, f"{width} × {height}")
    if min(width, height) < MIN_SIDE:
        raise ImageRefused(ImageFault.TOO_SMALL, f"{width} × {height}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageRefused(ImageFault.TOO_NARROW, f"{width} × {height}")


def _walker(data: bytes) -> Callable[[bytes, ImageLimits], tuple[Inspected, int]]:
    """By the first bytes, which decoders and browsers use as well, whatever the rest of the file is."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg
    if data.startswith(_PNG_SIGNATURE):
        return _png
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return _avif
    raise ImageRefused(_unknown(data[:1024]))


def _unknown(head: bytes) -> ImageFault:
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if text.startswith(b"<") and (b"<svg" in text or text.startswith(b"<?xml")):
        return ImageFault.SVG
    if head[4:8] == b"ftyp" or head.startswith((b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0", b"\0\0\0\x0cjP", b"8BPS")):
        return ImageFault.UNSUPPORTED
    return ImageFault.NOT_AN_IMAGE


def _truncated(what: str) -> ImageRefused:
    return ImageRefused(ImageFault.TRUNCATED, what)


# Each walker returns what it found and where the picture ends.


def _jpeg(data: bytes, limits: ImageLimits) -> tuple[Inspected, int]:
    """ITU-T T.81 annex B."""
    at, width, height, scans = 2, 0, 0, 0
    while True:
        at, marker = _jpeg_marker(data, at)
        if marker == 0xD9:
            break
        if marker in _JPEG_SIZE_MARKERS:
            if width:
                raise ImageRefused(ImageFault.CORRUPT, "two frame headers")
            height, width = struct.unpack_from(">HH", data, at + 5)
        at += 2 + (0 if marker == 0x01 else _segment_length(data, at + 2))
        if marker == 0xDA:
            scans += 1
            if scans > _JPEG_MAX_SCANS:
                raise ImageRefused(ImageFault.TOO_COMPLEX, "too many scans")
            at = _jpeg_scan_end(data, at)
    if not scans or not width or not height:
        raise ImageRefused(ImageFault.CORRUPT, "no picture in it")
    return Inspected(format="JPEG", width=width, height=height, frames=1), at + 2


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    """The position of the next marker, after fill bytes, and its code."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    if data[at] != 0xFF:
        raise ImageRefused(ImageFault.CORRUPT, "no marker where one must be")
    return at, data[at + 1]


def _jpeg_scan_end(data: bytes, at: int) -> int:
    found = _JPEG_MARKER.search(data, at)
    if found is None:
        raise _truncated("no end of image")
    return found.start()


def _segment_length(data: bytes, at: int) -> int:
    (length,) = struct.unpack_from(">H", data, at)
    if length < 2:
        raise ImageRefused(ImageFault.CORRUPT, "a segment of impossible length")
    return int(length)


def _png(data: bytes, limits: ImageLimits) -> tuple[Inspected, int]:
    """PNG (third edition) §5; frames from APNG's acTL."""
    if data[12:16] != b"IHDR":
        raise ImageRefused(ImageFault.CORRUPT, "IHDR is not first")
    width, height = struct.unpack_from(">II", data, 16)
    at, frames, pixels = len(_PNG_SIGNATURE), 1, False
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise _truncated(f"chunk {kind!r}")
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, at + 8)
        pixels = pixels or kind == b"IDAT"
        at += 12 + length
        if kind == b"IEND":
            break
    if not pixels:
        raise ImageRefused(ImageFault.CORRUPT, "no IDAT")
    return Inspected(format="PNG", width=width, height=height, frames=max(frames, 1)), at


def _gif(data: bytes, limits: ImageLimits) -> tuple[Inspected, int]:
    """GIF89a. Stops counting frames above the limit: 50,000 frames cost no more than 1,000."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _colour_table(flags), 0
    while frames <= limits.max_frames:
        block = data[at]
        if block == 0x3B:
            break
        if block == 0x2C:
            frames += 1
            left, top, across, down = struct.unpack_from("<HHHH", data, at + 1)
            # Decoders enlarge the canvas so that the frame fits.
            width, height = max(width, left + across), max(height, top + down)
            at += 11 + _colour_table(data[at + 9])
        elif block == 0x21:
            at += 2
        else:
            raise ImageRefused(ImageFault.CORRUPT, f"unknown block {block:#x}")
        while length := data[at]:
            at += 1 + length
        at += 1
    if not frames:
        raise ImageRefused(ImageFault.CORRUPT, "no frame in it")
    return Inspected(format="GIF", width=width, height=height, frames=frames), at + 1


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes, limits: ImageLimits) -> tuple[Inspected, int]:
    """RFC 9649."""
    (size,) = struct.unpack_from("<I", data, 4)
    end = 8 + size
    if end > len(data):
        raise _truncated("RIFF")
    at, width, height, frames = 12, 0, 0, 0
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise _truncated(f"chunk {kind!r}")
        if kind in (b"VP8X", b"VP8 ", b"VP8L") and not width:
            width, height = _webp_size(data, kind, at + 8)
        frames += kind == b"ANMF"
        at += 8 + length + (length & 1)
    if not width or not height:
        raise ImageRefused(ImageFault.CORRUPT, "no picture in it")
    return Inspected(format="WEBP", width=width, height=height, frames=max(frames, 1)), end + (size & 1)


def _webp_size(data: bytes, kind: bytes, at: int) -> tuple[int, int]:
    if kind == b"VP8X":
        return int.from_bytes(data[at + 4 : at + 7], "little") + 1, int.from_bytes(data[at + 7 : at + 10], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, at + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, at + 6)
    return width & 0x3FFF, height & 0x3FFF


def _avif(data: bytes, limits: ImageLimits) -> tuple[Inspected, int]:
    """ISO/IEC 23008-12: every box must end within the file. The largest announced size counts. At least one frame."""
    at, meta = 0, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        elif size == 0:
            size = len(data) - at
        if size < 8:
            raise ImageRefused(ImageFault.CORRUPT, "a box of impossible length")
        if at + size > len(data):
            raise _truncated(f"box {kind!r}")
        meta = meta or (data[at : at + size] if kind == b"meta" else b"")
        at += size
    sizes = [struct.unpack(">II", b"".join(found.groups())) for found in _ISPE.finditer(meta)]
    if not sizes:
        raise ImageRefused(ImageFault.CORRUPT, "no picture in it")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Inspected(format="AVIF", width=width, height=height, frames=1), at


def _check_trailer(data: bytes, end: int) -> None:
    """Refuse files that are also another kind of file (polyglots).

    Phones append more pictures and films to a JPEG (MPF, motion photos). The master does not contain them, so they are
    no reason to refuse the picture. Archives, documents, markup and programs are.
    """
    if b"%PDF-" in data[:1024]:
        raise ImageRefused(ImageFault.POLYGLOT, "PDF")
    if _is_archive(data):
        raise ImageRefused(ImageFault.POLYGLOT, "ZIP")
    tail = memoryview(data)[end:]
    if _MARKUP.search(tail):
        raise ImageRefused(ImageFault.POLYGLOT, "markup after the picture")
    if bytes(tail[:16]).lstrip(b"\0\r\n").startswith((*_EXECUTABLES, b"PK\x03\x04", b"%PDF-", b"GIF8", _PNG_SIGNATURE)):
        raise ImageRefused(ImageFault.POLYGLOT, "another file after the picture")


def _is_archive(data: bytes) -> bool:
    """A ZIP is read from its end: PKWARE APPNOTE 4.3.16. The fields are checked as well, or one random file in 65,000
    would match."""
    at = data.rfind(_END_OF_ZIP, max(0, len(data) - 65_557))
    if at < 0 or at + 22 > len(data):
        return False
    entries, size, offset, comment = struct.unpack_from("<HIIH", data, at + 10)
    return bool(entries) and size + offset <= len(data) and at + 22 + comment <= len(data)
