"""Bodies that parsers read differently, or that PostgreSQL cannot store, are refused with a pointer."""

import pytest

from pushhub.http.parsing import MAX_DEPTH, json_read
from pushhub.kernel.errors import ApiError, ErrorCode

REFUSED = [
    (b"", "", "Expecting value"),
    (b"{", "", "line 1, column 2"),
    (b"\xff\xfe{\x00}\x00", "", "not UTF-8"),
    (b'{"a": "\xed\xa0\x80"}', "", "not UTF-8"),
    (b"\xef\xbb\xbf{}", "", "BOM"),
    (b'{"a": "tab\there"}', "", "control character"),
    (b'{"a": NaN}', "", "NaN"),
    (b'{"a": -Infinity}', "", "-Infinity"),
    (b'{"x": {"a": 1, "a": 2}}', "/x", "occurs twice"),
    (b'{"x": [0, "a\\u0000b"]}', "/x/1", "NUL"),
    (b'{"x": "\\ud800"}', "/x", "surrogate"),
    (b'{"x": {"a\\u0000": 1}}', "/x", "NUL"),
    (b'{"a/b~": 1e999}', "/a~1b~0", "too large"),
    (b'{"x": 9223372036854775808}', "/x", "64 bits"),
    (b'{"x": -9223372036854775809}', "/x", "64 bits"),
    (b'{"x": ' + b"9" * 5000 + b"}", "/x", "64 bits"),
    (b"[" * 100_000, "", "nested deeper"),
]


@pytest.mark.parametrize(("raw", "pointer", "words"), REFUSED, ids=[str(row[0][:20]) for row in REFUSED])
def test_an_ambiguous_body_is_refused_with_a_pointer(raw: bytes, pointer: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        json_read(raw)
    assert caught.value.code is ErrorCode.MALFORMED
    assert caught.value.errors[0].pointer == pointer
    assert words in caught.value.detail


def test_nesting_is_limited() -> None:
    assert json_read(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ApiError, match="deeper than"):
        json_read(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'"\xf0\x9f\x98\x80"', "😀"),
        (b"[9223372036854775807, -9223372036854775808, 1e300]", [2**63 - 1, -(2**63), 1e300]),
        (b" null ", None),
    ],
)
def test_an_unambiguous_body_is_read(raw: bytes, value: object) -> None:
    assert json_read(raw) == value
