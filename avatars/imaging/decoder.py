"""The process that decodes strangers' pictures. Run as a script, isolated (`python -I`), by `helper.py`.

It imports Pillow and nothing of this house, gets an empty environment, and after start-up may open no file, no socket
and write nothing but its answers: what a hostile picture could take over holds no secret and reaches nobody.
Frames on stdin and stdout: `>II`, lengths of a JSON object and of bytes, then both. One byte when it is ready.
"""

import gc
import io
import json
import math
import resource
import struct
import sys
import warnings
from typing import Any, BinaryIO

from PIL import AvifImagePlugin, Image, ImageCms, ImageFile, MpoImagePlugin, TiffImagePlugin

# Pillow imports these on first use, when no file may be opened any more.
LATER = (MpoImagePlugin, TiffImagePlugin)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
# What a picture may cost beyond what it announces: the interpreter and the libraries are 40 MB of address space.
MEMORY_BASE = 96 * 1024 * 1024
MEMORY_PER_PIXEL = 16
MASTER_QUALITIES = (92, 80, 60)
# A JPEG that its decoder has scaled to somewhat more than the master's size is left at that: 10 ms of 75.
NEAR = 1.2
_SRGB = ImageCms.createProfile("sRGB")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def master_make(data: bytes, wish: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The answer's object and the master's bytes. Raises whatever Pillow raises."""
    with Image.open(io.BytesIO(data), formats=(wish["format"],)) as image:
        width, height = image.size
        if width * height > wish["max_pixels"]:
            raise Image.DecompressionBombError(f"{width} × {height}")
        frames = int(getattr(image, "n_frames", 1)) if wish["format"] == "AVIF" else wish["frames"]
        size = _size(width, height, wish["master_side"])
        image.draft("RGB", size)
        image.load()
        # Only now: asked earlier, a PNG decodes its pixels to look for EXIF behind them, and a fault of theirs is lost.
        turn = _TURNS.get(_orientation(image))
        profile = image.info.get("icc_profile")
        pixels = _opaque(image)
    if pixels.width > size[0] * NEAR:
        pixels = pixels.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    pixels = _srgb(pixels, profile)
    if turn is not None:
        pixels = pixels.transpose(turn)
    form, body = _encode(pixels, lossless=wish["format"] in ("PNG", "GIF"), most=wish["max_master_bytes"])
    return {"width": pixels.width, "height": pixels.height, "format": form, "frames": frames}, body


def _size(width: int, height: int, side: int) -> tuple[int, int]:
    """Rounded up: the shorter side never falls below what it must have."""
    scale = min(1.0, side / min(width, height))
    return math.ceil(width * scale), math.ceil(height * scale)


def _orientation(image: Image.Image) -> int:
    """A broken EXIF block is no reason to refuse a picture: it is thrown away."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _opaque(image: Image.Image) -> Image.Image:
    """RGB, L or CMYK, on white: what the engine judges is what is shown, whatever page it is shown on."""
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode == "F":
        return image.convert("L")
    if not image.has_transparency_data:
        return image.convert("L" if image.mode == "1" else "RGB")
    layered = image.convert("RGBA")
    ground = Image.new("RGB", layered.size, "white")
    ground.paste(layered, mask=layered)
    return ground


def _srgb(pixels: Image.Image, profile: bytes | None) -> Image.Image:
    """Through the picture's own profile if it is one and fits; else as if it were sRGB, as browsers do."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if _PROFILE_MODES.get(source.profile.xcolor_space) == pixels.mode:
                converted = ImageCms.profileToProfile(pixels, source, _SRGB, outputMode="RGB")
                if converted is not None:
                    pixels = converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    # A new image: `info` and with it every trace of the upload's metadata stays behind.
    rgb = pixels.convert("RGB")
    clean = Image.new("RGB", rgb.size)
    clean.paste(rgb)
    return clean


def _encode(pixels: Image.Image, *, lossless: bool, most: int) -> tuple[str, bytes]:
    """Drawings as PNG, photographs as JPEG; the first that fits into `most` bytes."""
    ways: list[tuple[str, dict[str, int]]] = [("PNG", {"compress_level": 3})] if lossless else []
    ways += [("JPEG", {"quality": quality}) for quality in MASTER_QUALITIES]
    for form, wish in ways:
        file = io.BytesIO()
        pixels.save(file, form, **wish)
        if file.tell() <= most:
            return form, file.getvalue()
    raise MemoryError("the master is too large")


def answer(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    memory = MEMORY_BASE + MEMORY_PER_PIXEL * header["width"] * header["height"]
    ceiling = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (min(memory, ceiling), ceiling))
    seconds = math.ceil(used.ru_utime + used.ru_stime) + header["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    try:
        return master_make(data, header)
    except MemoryError:
        return {"fault": "image_too_complex", "detail": "memory"}, b""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"fault": "image_too_many_pixels", "detail": "on opening"}, b""
    except Exception as error:
        # Pillow's decoders raise whatever comes up: OSError, SyntaxError, ValueError, struct.error, KeyError …
        fault = "image_truncated" if "truncated" in str(error).lower() else "image_corrupt"
        return {"fault": fault, "detail": type(error).__name__}, b""


def warm_up() -> None:
    """Each format once, so that everything is loaded that would be on first use."""
    for form in FORMATS:
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (80, 80)).save(file, form, exif=exif, icc_profile=ImageCms.ImageCmsProfile(_SRGB).tobytes())
        limits = {"max_pixels": 6_400, "master_side": 40, "max_master_bytes": 100_000}
        master_make(file.getvalue(), {"format": form, "frames": 1, **limits})


def confine(memory: int) -> None:
    """After this: no new descriptor (so no file, no socket), no core, no file growth, bounded address space."""
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def main(memory: int, source: BinaryIO, target: BinaryIO) -> None:
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.init()
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    warm_up()
    # What is loaded by now stays: without it, looking through it after each picture costs 3 ms.
    gc.freeze()
    confine(memory)
    target.write(b"+")
    target.flush()
    while len(lengths := source.read(8)) == 8:
        of_header, of_data = struct.unpack(">II", lengths)
        header = json.loads(source.read(of_header))
        Image.MAX_IMAGE_PIXELS = header["max_pixels"]
        found, body = answer(header, source.read(of_data))
        text = json.dumps(found).encode()
        target.write(struct.pack(">II", len(text), len(body)) + text + body)
        target.flush()
        del body
        gc.collect()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
