"""The sandbox's optional files: its subscriptions, and a line for every response of its push service.

With them a sandbox can be killed and started again on the same port, and the record of the responses is kept.
Behaviours are not stored: after a restart every subscription is `ok`.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

LOST: Final = "lost"  # accepted, but the connection was reset instead of a response
TAKEN: Final = frozenset({"201", LOST})


class Ledger:
    """The lines are `<capability> <status>`, written before the response is sent, so that none is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._subscriptions = folder / "subscriptions.jsonl"
        self._responses = os.open(responses_path(folder), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def record(self, capability: str, word: str) -> None:
        os.write(self._responses, f"{capability} {word}\n".encode())

    def minted(self, subscriptions: Iterable[dict[str, Any]]) -> None:
        with self._subscriptions.open("a") as kept:
            kept.writelines(json.dumps(subscription) + "\n" for subscription in subscriptions)

    def subscriptions(self) -> Iterator[dict[str, Any]]:
        if self._subscriptions.exists():
            with self._subscriptions.open() as kept:
                yield from map(json.loads, kept)


def responses_path(folder: Path) -> Path:
    return folder / "responses.txt"


def responses_read(folder: Path, *, since: int = 0) -> Counter[tuple[str, str]]:
    """How often each (capability, response) was recorded after the first `since` bytes."""
    with responses_path(folder).open("rb") as lines:
        lines.seek(since)
        return Counter(tuple(line.split()) for line in lines.read().decode().splitlines())  # type: ignore[misc]
