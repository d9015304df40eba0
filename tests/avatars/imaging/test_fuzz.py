"""3,000 damaged pictures from a fixed seed: each is refused with a known fault, or decoded completely."""

import random
from collections import Counter

from PIL import Image

from avatars.imaging.helper import Helper
from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import ImageFault, ImageLimits, ImageRefused
from tests.avatars.imaging.builders import FORMATS, animated, drawing, encoded, opened
from tests.avatars.imaging.mutations import MOST_KILOBYTES, MUTATIONS

SEED = 20_260
COUNT = 3_000
# A damaged file may cost the decoder no more than an intact one of the largest size allowed here.
LIMITS = ImageLimits(max_pixels=1_000_000, max_bytes=1_000_000)


def seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    stills = [encoded(format, drawing(120, 90), **({} if format == "GIF" else {"exif": exif})) for format in FORMATS]
    moving = [animated(format) for format in FORMATS if format != "JPEG"]
    modes = [encoded("PNG", drawing(100, 100, mode)) for mode in ("1", "L", "P", "RGBA")]
    return [*stills, *moving, *modes, encoded("JPEG", progressive=True), encoded("JPEG", drawing(mode="CMYK"))]


def test_damaged_pictures_are_refused_or_decoded_whole() -> None:
    dice, originals, ends, helper = random.Random(SEED), seeds(), Counter[str](), Helper()
    started, peak = 0, 0
    for number in range(COUNT):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        data = bytes(mutation(dice, bytearray(dice.choice(originals)), dice.choice(originals)))
        before = helper.pid
        ends[_end(data, helper)] += 1
        started += helper.pid != before
        peak = max(peak, _peak(helper))
    helper.close()
    assert ends.total() == COUNT
    assert ends["decoded"] > COUNT // 10
    assert len(ends) > 4
    assert peak < MOST_KILOBYTES
    # Each replacement after the first (and those due by number) would be a decoder that died: none did.
    assert started <= 1 + COUNT // 500


def _end(data: bytes, helper: Helper) -> str:
    try:
        master = image_normalise(data, LIMITS, helper=helper)
    except ImageRefused as refused:
        return ImageFault(refused.code)
    opened(data)  # Pillow raises if it is not complete
    image = opened(master.bytes)
    assert (image.mode, image.size, image.format) == ("RGB", (master.width, master.height), master.format)
    return "decoded"


def _peak(helper: Helper) -> int:
    """Kilobytes of the decoder's largest size so far."""
    if helper.pid is None:
        return 0
    with open(f"/proc/{helper.pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
