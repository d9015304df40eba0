"""The master of every kind of upload."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import MAX_MASTER_BYTES, ImageLimits
from tests.avatars.imaging.builders import FORMATS, animated, colour_at, drawing, encoded, opened


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_becomes_a_whole_rgb_master(format: str) -> None:
    master = image_normalise(encoded(format))
    image = opened(master.bytes)
    assert (master.source_format, image.format, image.mode, image.size) == (format, master.format, "RGB", (240, 160))
    assert [colour_at(image, x, 0.9) for x in (0.1, 0.9)] == ["red", "blue"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_content_decides_not_the_name(format: str, tmp_path: Path) -> None:
    path = tmp_path / "avatar.txt"
    path.write_bytes(encoded(format))
    assert image_normalise(path).source_format == format


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_png_mode_becomes_rgb(mode: str) -> None:
    source = drawing(mode="L").convert("I;16") if mode == "I;16" else drawing(mode=mode)
    assert opened(image_normalise(encoded("PNG", source)).bytes).mode == "RGB"


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    grey = Image.new("I;16", (100, 100), 0x8080)
    assert opened(image_normalise(encoded("PNG", grey)).bytes).getpixel((50, 50)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)), (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))],
)
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    master = image_normalise(encoded("JPEG", exif=exif))
    assert colour_at(opened(master.bytes), 0.05 + 0.9 * corner[0], 0.05 + 0.9 * corner[1]) == "lime"
    assert (master.width, master.height) == ((240, 160) if orientation < 5 else (160, 240))


def test_the_master_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "alice at home"
    exif.get_ifd(0x8825)[1] = "N"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "alice at home")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>alice at home</x:xmpmeta>")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    uploads = [
        encoded("JPEG", exif=exif, icc_profile=profile, comment=b"alice at home", xmp=b"<x>alice at home</x>"),
        encoded("PNG", exif=exif, icc_profile=profile, pnginfo=text),
        encoded("WEBP", exif=exif, icc_profile=profile, xmp=b"<x>alice at home</x>"),
        encoded("AVIF", exif=exif, icc_profile=profile, xmp=b"<x>alice at home</x>"),
    ]
    for upload in uploads:
        master = image_normalise(upload)
        image = opened(master.bytes)
        assert b"alice" in upload
        assert b"alice" not in master.bytes
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_gives_its_first_frame(format: str) -> None:
    master = image_normalise(animated(format))
    image = opened(master.bytes)
    assert (master.frames, getattr(image, "n_frames", 1), colour_at(image, 0.9, 0.9)) == (3, 1, "blue")


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "AVIF"])
def test_transparency_becomes_white(format: str) -> None:
    """A picture that is visible only on a dark page must not look empty to the engine, nor the other way round."""
    hidden = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    assert colour_at(opened(image_normalise(encoded(format, hidden)).bytes), 0.5, 0.5) == "white"


def test_colours_are_converted_by_the_pictures_profile() -> None:
    """With a profile that exchanges red and blue, a pixel that is stored as red is blue."""
    swapped = _swapped_profile()
    master = image_normalise(encoded("PNG", Image.new("RGB", (100, 100), "red"), icc_profile=swapped))
    assert colour_at(opened(master.bytes), 0.5, 0.5) == "blue"


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 4000])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    assert image_normalise(encoded("JPEG", icc_profile=profile)).width == 240


def test_cmyk_becomes_rgb() -> None:
    master = image_normalise(encoded("JPEG", drawing(mode="CMYK")))
    assert colour_at(opened(master.bytes), 0.9, 0.9) == "blue"


def test_large_pictures_shrink_to_the_masters_side() -> None:
    master = image_normalise(encoded("PNG", drawing(2000, 1500)), ImageLimits(master_side=640))
    assert (master.width, master.height) == (854, 640)


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (3100, 2500), (5000, 900)])
def test_a_jpegs_master_is_never_below_the_requested_side(size: tuple[int, int]) -> None:
    master = image_normalise(encoded("JPEG", drawing(*size)), ImageLimits(master_side=640))
    assert 640 <= min(master.width, master.height) <= 640 * 1.2


def test_the_shorter_side_never_falls_below_the_engines_minimum() -> None:
    master = image_normalise(encoded("PNG", drawing(2400, 121)), ImageLimits(master_side=80))
    assert min(master.width, master.height) == 80


def test_a_master_too_large_as_png_is_a_jpeg() -> None:
    noise = Image.merge("RGB", [Image.effect_noise((1800, 1400), 100) for _ in range(3)])
    master = image_normalise(encoded("PNG", noise, compress_level=1), ImageLimits(master_side=1400))
    assert (master.format, len(master.bytes) <= MAX_MASTER_BYTES) == ("JPEG", True)


def test_a_motion_photos_film_is_removed() -> None:
    """A motion photo has a film after the end of the JPEG."""
    film = b"\0\0\0\x18ftypmp42" + b"\x5a" * 5000
    master = image_normalise(encoded("JPEG") + film)
    assert b"ftyp" not in master.bytes


def _swapped_profile() -> bytes:
    """sRGB with the tags of the red and blue primaries exchanged."""
    body = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = io.BytesIO(body)
    table.seek(128)
    count = int.from_bytes(table.read(4), "big")
    for at in range(132, 132 + 12 * count, 12):
        name = bytes(body[at : at + 4])
        body[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(body)
