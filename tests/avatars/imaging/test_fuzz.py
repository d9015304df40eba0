"""3,000 damaged pictures from a fixed seed: each is refused with a fault of the list, or decoded whole."""

import random
from collections import Counter
from collections.abc import Callable

from PIL import Image

from avatars.imaging.helper import Helper
from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import ImageFault, ImageLimits, ImageRefused
from tests.avatars.imaging.pictures import FORMATS, animated, drawing, encoded, opened

SEED = 20_260
COUNT = 3_000
# A damaged file may cost the decoder no more than a good one of the largest size allowed here.
LIMITS = ImageLimits(max_pixels=1_000_000, max_bytes=1_000_000)
MOST_KILOBYTES = 128 * 1024

Mutation = Callable[[random.Random, bytearray, bytes], bytes | bytearray]


def flip_bits(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    for _ in range(dice.choice([1, 3, 30])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def damage_header(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(min(64, len(data)))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
    return data


def truncate(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    return data[: dice.randrange(len(data))]


def splice(dice: random.Random, data: bytearray, other: bytes) -> bytes | bytearray:
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def insert(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    at = dice.randrange(len(data))
    return data[:at] + dice.randbytes(dice.randint(1, 200)) + data[at:]


def reorder(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    """Pieces between markers, chunks and boxes change places."""
    cuts = sorted(dice.sample(range(len(data)), 3))
    first, second = data[cuts[0] : cuts[1]], data[cuts[1] : cuts[2]]
    return data[: cuts[0]] + second + first + data[cuts[2] :]


def large_numbers(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    """Lengths and sizes become huge, in either byte order."""
    at = dice.randrange(len(data) - 4)
    data[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0"])
    return data


MUTATIONS: tuple[Mutation, ...] = (flip_bits, damage_header, truncate, splice, insert, reorder, large_numbers)


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
    # Each replacement after the first (and those due by number) was a decoder that died: none of these did.
    assert started <= 1 + COUNT // 500


def _end(data: bytes, helper: Helper) -> str:
    try:
        master = image_normalise(data, LIMITS, helper=helper)
    except ImageRefused as refused:
        return ImageFault(refused.code)
    opened(data)  # whole, or Pillow raises
    image = opened(master.bytes)
    assert (image.mode, image.size, image.format) == ("RGB", (master.width, master.height), master.format)
    return "decoded"


def _peak(helper: Helper) -> int:
    """Kilobytes of the decoder's largest size so far."""
    if helper.pid is None:
        return 0
    with open(f"/proc/{helper.pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
