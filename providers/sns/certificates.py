"""SNS's signing certificates, cached and fetched rarely: a message from anyone may name one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from providers.sns.receipts import CertificateFetch, SnsMessageInvalid

MAX_CERTIFICATE = 16 * 1024
REFUSED_SECONDS = 60.0
REFUSALS_KEPT = 1024


class CertificateUnavailable(Exception):
    """It cannot be fetched now, which says nothing about the message: SNS should send it again."""


class CertificateCache:
    """A CertificateFetch that caches the last few certificates, since SNS uses one for months. It also remembers for a
    minute that a URL has none. One fetch at a time: other callers get CertificateUnavailable meanwhile."""

    def __init__(self, fetch: CertificateFetch, *, size: int = 16, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._size = size
        self._clock = clock
        self._fetching = Lock()
        self._lock = Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()

    def __call__(self, url: str) -> bytes:
        with self._lock:
            if url in self._kept:
                self._kept.move_to_end(url)
                return self._kept[url]
            if self._clock() < self._refused.get(url, 0.0):
                raise SnsMessageInvalid("the certificate is not there")
        if not self._fetching.acquire(blocking=False):
            raise CertificateUnavailable
        try:
            return self._fetched(url)
        finally:
            self._fetching.release()

    def _fetched(self, url: str) -> bytes:
        try:
            pem = self._fetch(url)
            if len(pem) > MAX_CERTIFICATE:
                raise SnsMessageInvalid("the certificate is too large")
        except SnsMessageInvalid:
            with self._lock:
                self._refused[url] = self._clock() + REFUSED_SECONDS
                while len(self._refused) > REFUSALS_KEPT:
                    self._refused.popitem(last=False)
            raise
        with self._lock:
            self._kept[url] = pem
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return pem
