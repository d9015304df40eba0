"""A web process limits the bytes per second of all its uploads together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from avatars.api.form_receiver import Pace


def test_uploads_share_one_rate() -> None:
    pace, started = Pace(rate=1_000_000), time.monotonic()
    with ThreadPoolExecutor(4) as uploads:
        list(uploads.map(pace.take, [50_000] * 4))
    assert time.monotonic() - started >= 0.2


def test_idle_time_does_not_allow_a_faster_upload() -> None:
    pace = Pace(rate=1_000_000)
    pace.take(1_000)
    time.sleep(0.1)
    started = time.monotonic()
    pace.take(50_000)
    assert time.monotonic() - started >= 0.05
