"""Certificates of SNS: fetched once, refused once a minute, one at a time."""

import threading

import pytest

from providers.sns.certificates import REFUSED_SECONDS, CertificateCache, CertificateUnavailable
from providers.sns.receipts import SnsMessageInvalid


class Host:
    """Where certificates are fetched: at `url` there is `answer`, or the exception it is."""

    def __init__(self, answer: bytes | Exception = b"pem") -> None:
        self.answer = answer
        self.fetched: list[str] = []
        self.now = 0.0

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def cache(self) -> CertificateCache:
        return CertificateCache(self.fetch, size=1, clock=lambda: self.now)


def refused(cache: CertificateCache) -> None:
    with pytest.raises(SnsMessageInvalid):
        cache("url")


def test_a_certificate_is_fetched_once() -> None:
    host = Host()
    cache = host.cache()
    for url in ("url", "url", "other", "url"):
        assert cache(url) == b"pem"
    assert host.fetched == ["url", "other", "url"]


@pytest.mark.parametrize("answer", [SnsMessageInvalid("not there"), b"x" * 100_000])
def test_what_is_no_certificate_is_asked_for_once_a_minute(answer: bytes | Exception) -> None:
    host = Host(answer)
    cache = host.cache()
    for host.now in (0.0, REFUSED_SECONDS - 1, REFUSED_SECONDS + 1):
        refused(cache)
    assert host.fetched == ["url"] * 2


def test_trouble_on_the_way_is_not_remembered() -> None:
    host = Host(CertificateUnavailable())
    cache = host.cache()
    with pytest.raises(CertificateUnavailable):
        cache("url")
    host.answer = b"pem"
    assert cache("url") == b"pem"


def test_one_is_fetched_at_a_time() -> None:
    asked, answered = threading.Event(), threading.Event()

    def fetch(url: str) -> bytes:
        asked.set()
        assert answered.wait(10)
        return b"pem"

    cache = CertificateCache(fetch)
    first = threading.Thread(target=cache, args=["one"])
    first.start()
    assert asked.wait(10)
    with pytest.raises(CertificateUnavailable):
        cache("two")
    answered.set()
    first.join(10)
    assert cache("two") == b"pem"
