"""SNS's signing certificates, kept and fetched with restraint: anybody may send us a message that names one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from providers.sns.receipts import CertificateFetch, SnsMessageInvalid

MAX_CERTIFICATE = 16 * 1024
REFUSED_SECONDS = 60.0
REFUSALS_KEPT = 1024


class CertificateUnavailable(Exception):
    """It cannot be had now, which says nothing of the message: SNS is to send it again."""


class CertificateCache:
    """A CertificateFetch that remembers the last few, since SNS keeps one certificate for months; and for a minute that
    there is none at a URL. One fetch at a time: meanwhile others raise CertificateUnavailable."""

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
