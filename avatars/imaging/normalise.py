"""Make the master of an upload."""

import os
from dataclasses import asdict
from functools import cache

from avatars.imaging.helper import DecoderDied, Helper
from avatars.imaging.inspect import image_inspect
from avatars.imaging.types import MAX_MASTER_BYTES, ImageFault, ImageLimits, ImageRefused, NormalisedImage

_DEFAULTS = ImageLimits()


@cache
def process_helper() -> Helper:
    return Helper()


def image_normalise(
    data: bytes | os.PathLike[str], limits: ImageLimits = _DEFAULTS, *, helper: Helper | None = None
) -> NormalisedImage:
    """Check the file by its content, decode it completely in a separate process, make the master.

    Raises ImageRefused, and DecoderUnavailable when the picture is not the cause. Whatever the file is, this process
    neither crashes nor grows by more than the file's bytes.
    """
    if not isinstance(data, bytes):
        data = _read(data, limits)
    inspected = image_inspect(data, limits)
    wish = asdict(limits) | asdict(inspected) | {"max_master_bytes": MAX_MASTER_BYTES}
    try:
        response, body = (helper or process_helper()).ask(wish, data)
    except DecoderDied as error:
        raise ImageRefused(ImageFault.TOO_COMPLEX, str(error)) from None
    if "fault" in response:
        raise ImageRefused(ImageFault(response["fault"]), response["detail"])
    if response["frames"] > limits.max_frames:
        raise ImageRefused(ImageFault.TOO_MANY_FRAMES, f"more than {limits.max_frames}")
    return NormalisedImage(**response, bytes=body, source_format=inspected.format)


def _read(path: os.PathLike[str], limits: ImageLimits) -> bytes:
    """At most the limit and one byte, even if the file grows at the same time."""
    with open(path, "rb") as file:
        return file.read(limits.max_bytes + 1)
