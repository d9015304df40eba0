"""However many upload at once: a web process takes no more than so many bytes a second of them together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from avatars.api.form_receiver import Pace


def test_uploads_share_one_rate() -> None:
    pace, started = Pace(rate=1_000_000), time.monotonic()
    with ThreadPoolExecutor(4) as uploads:
        list(uploads.map(pace.take, [50_000] * 4))
    assert time.monotonic() - started >= 0.2


def test_time_without_uploads_is_not_saved_up() -> None:
    pace = Pace(rate=1_000_000)
    pace.take(1_000)
    time.sleep(0.1)
    started = time.monotonic()
    pace.take(50_000)
    assert time.monotonic() - started >= 0.05
