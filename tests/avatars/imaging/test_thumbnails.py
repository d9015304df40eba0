"""Sizes, formats, names by content, and the cost for a phone's picture."""

import hashlib
import io

import pytest
from PIL import Image

from avatars.imaging.normalise import image_normalise
from avatars.imaging.thumbnails import thumbnails_make
from tests.avatars.imaging.builders import colour_at, drawing, encoded, opened


def test_each_size_in_both_formats() -> None:
    variants = thumbnails_make(encoded("JPEG"), [64, 128])
    assert {(variant.size, variant.format) for variant in variants} == {
        (64, "webp"),
        (64, "jpeg"),
        (128, "webp"),
        (128, "jpeg"),
    }
    for variant in variants:
        image = opened(variant.bytes)
        assert (image.size, str(image.format).lower()) == ((variant.size, variant.size), variant.format)
        assert variant.sha256 == hashlib.sha256(variant.bytes).hexdigest()


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (100, 100)])
def test_the_middle_square_is_shown(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    image.paste("blue", ((size[0] - 96) // 2, (size[1] - 96) // 2, (size[0] + 96) // 2, (size[1] + 96) // 2))
    for variant in thumbnails_make(encoded("PNG", image), [64]):
        assert [colour_at(opened(variant.bytes), *place) for place in ((0.1, 0.1), (0.9, 0.9))] == ["blue", "blue"]


def test_small_masters_are_enlarged_to_the_requested_size() -> None:
    assert opened(thumbnails_make(encoded("PNG", drawing(100, 100)), [512])[0].bytes).size == (512, 512)


def test_the_same_master_gives_the_same_names() -> None:
    master = encoded("JPEG")
    assert [v.sha256 for v in thumbnails_make(master, [64])] == [v.sha256 for v in thumbnails_make(master, [64])]


def test_thumbnails_carry_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "alice at home"
    master = image_normalise(encoded("JPEG", exif=exif)).bytes
    for variant in thumbnails_make(master, [64]):
        assert not Image.open(io.BytesIO(variant.bytes)).getexif()
