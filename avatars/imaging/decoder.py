"""The process that decodes untrusted pictures. `helper.py` runs it as an isolated script (`python -I`).

It imports Pillow and nothing of pushhub, gets an empty environment, and after start-up can open no file and no socket
and write nothing but its responses: a hostile picture that takes the process over finds no secret and reaches no host.
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

# Pillow imports these on first use, when the process cannot open a file any more.
LATER = (MpoImagePlugin, TiffImagePlugin)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
# What a picture may use in addition to its pixels: the interpreter and the libraries take 40 MB of address space.
MEMORY_BASE = 96 * 1024 * 1024
MEMORY_PER_PIXEL = 16
MASTER_QUALITIES = (92, 80, 60)
# A JPEG that its decoder has scaled to slightly more than the master's size is not scaled again: saves 10 of 75 ms.
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
    """The response's JSON object and the master's bytes. Raises any exception that Pillow raises."""
    with Image.open(io.BytesIO(data), formats=(wish["format"],)) as image:
        width, height = image.size
        if width * height > wish["max_pixels"]:
            raise Image.DecompressionBombError(f"{width} × {height}")
        frames = int(getattr(image, "n_frames", 1)) if wish["format"] == "AVIF" else wish["frames"]
        size = _size(width, height, wish["master_side"])
        image.draft("RGB", size)
        image.load()
        # Not before `load`: `getexif` would decode the pixels of a PNG to find EXIF data behind them, and would hide an
        # error in the pixels.
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
    """Rounded up, so that the shorter side is never below the minimum."""
    scale = min(1.0, side / min(width, height))
    return math.ceil(width * scale), math.ceil(height * scale)


def _orientation(image: Image.Image) -> int:
    """A broken EXIF block is ignored: it is no reason to refuse the picture."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _opaque(image: Image.Image) -> Image.Image:
    """RGB, L or CMYK, on white: so the engine sees what every page shows, whatever its background."""
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
    """Converted by the picture's own profile if it is valid and fits the mode; else taken as sRGB, as browsers do."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if _PROFILE_MODES.get(source.profile.xcolor_space) == pixels.mode:
                converted = ImageCms.profileToProfile(pixels, source, _SRGB, outputMode="RGB")
                if converted is not None:
                    pixels = converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    # A new image, without `info`: none of the upload's metadata is copied.
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


def picture_decode(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
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
        # Pillow's decoders raise many types: OSError, SyntaxError, ValueError, struct.error, KeyError …
        fault = "image_truncated" if "truncated" in str(error).lower() else "image_corrupt"
        return {"fault": fault, "detail": type(error).__name__}, b""


def warm_up() -> None:
    """Decode each format once, so that everything that Pillow loads on first use is loaded."""
    for form in FORMATS:
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (80, 80)).save(file, form, exif=exif, icc_profile=ImageCms.ImageCmsProfile(_SRGB).tobytes())
        limits = {"max_pixels": 6_400, "master_side": 40, "max_master_bytes": 100_000}
        master_make(file.getvalue(), {"format": form, "frames": 1, **limits})


def confine(memory: int) -> None:
    """From now on: no new descriptor (so no file, no socket), no core dump, no file growth, bounded address space."""
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
    # The garbage collector ignores what is loaded by now: a look through it after each picture would cost 3 ms.
    gc.freeze()
    confine(memory)
    target.write(b"+")
    target.flush()
    while len(lengths := source.read(8)) == 8:
        of_header, of_data = struct.unpack(">II", lengths)
        header = json.loads(source.read(of_header))
        Image.MAX_IMAGE_PIXELS = header["max_pixels"]
        found, body = picture_decode(header, source.read(of_data))
        text = json.dumps(found).encode()
        target.write(struct.pack(">II", len(text), len(body)) + text + body)
        target.flush()
        del body
        gc.collect()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
