"""Keys agreed on together: the secrets and the refusals of one by one, on whatever processor this is."""

import logging
import re
from collections.abc import Iterator
from ctypes import util
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from providers.webpush import agreement
from providers.webpush.agreement import agree, agree_each, public_point
from providers.webpush.multibuffer import MultiBuffer
from tests.providers.webpush.examples import UA_PRIVATE, UA_PUBLIC

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(19)]
POINTS = [public_point(key) for key in KEYS]
Y_AT_FIVE = bytes.fromhex("459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc")
NO_POINTS = {
    "off the curve": UA_PUBLIC[:-1] + bytes([UA_PUBLIC[-1] ^ 1]),
    "nowhere": bytes(65),
    "the origin": b"\x04" + bytes(64),
    "too short": UA_PUBLIC[:-1],
    "too long": UA_PUBLIC + b"\x00",
    "empty": b"",
    "another form": b"\x06" + UA_PUBLIC[1:],
    "a number beyond the field": b"\x04" + (P + 5).to_bytes(32, "big") + Y_AT_FIVE,
}


@pytest.fixture
def afresh() -> Iterator[None]:
    """The library is looked for again, and again afterwards."""
    agreement.multibuffer.cache_clear()
    yield
    agreement.multibuffer.cache_clear()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 16, 19])
def test_whoever_has_the_other_key_finds_the_same_secret(count: int) -> None:
    made = agree_each(POINTS[:count])
    assert len(made) == count
    for key, found in zip(KEYS, made, strict=False):
        assert found
        assert agree(found.sender, private_key=key).secret == found.secret


def test_each_has_a_key_of_its_own() -> None:
    senders = [made.sender for _ in range(3) for made in agree_each([UA_PUBLIC] * 16) if made]
    assert len(set(senders)) == 48


@pytest.mark.parametrize("point", NO_POINTS.values(), ids=NO_POINTS)
def test_what_is_no_point_is_refused_and_its_neighbours_are_not(point: bytes) -> None:
    made = agree_each([UA_PUBLIC, point, UA_PUBLIC, UA_PUBLIC])
    assert [found is None for found in made] == [False, True, False, False]
    assert made[3]
    assert agree(made[3].sender, private_key=UA_PRIVATE).secret == made[3].secret


def test_only_its_size_makes_a_number_beyond_the_field_none() -> None:
    assert None not in agree_each([b"\x04" + (5).to_bytes(32, "big") + Y_AT_FIVE] * 3)


@given(st.binary(min_size=65, max_size=65).map(lambda raw: b"\x04" + raw[1:]))
def test_random_bytes_are_no_points(raw: bytes) -> None:
    assert agree_each([raw] * 3) == [None] * 3


def test_it_is_by_eights_where_processor_and_library_can() -> None:
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    can = {"avx512ifma", "avx512_vbmi2", "avx512dq", "avx512bw", "bmi2"} <= flags and util.find_library("crypto")
    assert agreement.multibuffer() is not None or not can


def missing() -> Path:
    raise PackageNotFoundError("ipp-crypto")


def no_library() -> Path:
    return Path(__file__)


@pytest.mark.parametrize("installed", [missing, no_library])
def test_without_the_library_openssl_does_it(
    afresh: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, installed: object
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(agreement, "installed", installed)
    made = agree_each([UA_PUBLIC] * 8)[7]
    assert made
    assert agree(made.sender, private_key=UA_PRIVATE).secret == made.secret
    assert "one by one" in caplog.text


@pytest.mark.parametrize("point", [UA_PUBLIC, b"\x04" + bytes(64)], ids=["another point", "no point"])
def test_a_library_that_finds_something_else_is_not_used(
    afresh: None, monkeypatch: pytest.MonkeyPatch, point: bytes
) -> None:
    monkeypatch.setattr(MultiBuffer, "__init__", lambda self, path: None)
    monkeypatch.setattr(MultiBuffer, "agree", lambda self, points: [(point, bytes(32))] * len(points))
    assert agreement.multibuffer() is None


def test_no_secret_is_shown() -> None:
    made = agree(UA_PUBLIC)
    assert repr(made.secret) not in repr(made)
