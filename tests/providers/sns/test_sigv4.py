"""Our signer against botocore's, and our form encoder against urllib's."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from providers.sns.form import form_encode, form_quote
from providers.sns.sigv4 import CONTENT_TYPE, sign

NOW = datetime(2026, 11, 23, 23, 59, 58, tzinfo=UTC)


def by_botocore(credentials: ReadOnlyCredentials, url: str, body: bytes) -> dict[str, str]:
    request = AWSRequest("POST", url, {"Content-Type": CONTENT_TYPE}, body)
    with patch("botocore.auth.get_current_datetime", return_value=NOW):
        SigV4Auth(credentials, "sns", "eu-west-1").add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize("token", [None, "session/token+="])
@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com:443/",
        "http://127.0.0.1:4100/",
        "http://127.0.0.1:4100/sns/",
        "http://[::1]:4100/",
    ],
)
def test_it_signs_as_botocore_does(url: str, token: str | None) -> None:
    credentials: Any = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token, None)
    ours = sign(credentials, region="eu-west-1", url=url, body=b"Action=Publish", now=NOW.timestamp())
    assert ours == by_botocore(credentials, url, b"Action=Publish")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_it_quotes_as_urllib_does(text: str) -> None:
    assert form_quote(text).decode() == quote(text, safe="")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_encoded_is_read_back(text: str) -> None:
    assert parse_qsl(form_encode([("a", text), ("b", "1")]).decode()) == [("a", text), ("b", "1")]
