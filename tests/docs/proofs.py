"""The promises of docs/guarantees.md and the tests that they name as their proof."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
PROMISE = re.compile(r"^\*\*(.+?)\*\*", re.MULTILINE)
PROOF = re.compile(r"^Proof(?: \(`(make [a-z-]+)`\))?: ((?:.+,\n)*.+)$", re.MULTILINE)
MAKE_TEST = "make test"
SIEGE = "make siege"


@dataclass(frozen=True)
class Proof:
    """`name` is `file::function`, or a scenario of the siege; `command` is the one that runs it."""

    command: str
    name: str


def proofs(text: str) -> Iterator[Proof]:
    for command, names in PROOF.findall(text):
        for name in re.findall(r"`([^`]+)`", names):
            yield Proof(command or MAKE_TEST, name)


def promises() -> dict[str, list[Proof]]:
    """Each bold promise of the section "Promised" with its proofs."""
    page = PAGE.read_text("utf-8")
    section = page[page.index("## Promised") : page.index("## Not promised")]
    starts = [*PROMISE.finditer(section)]
    ends = [match.start() for match in starts[1:]] + [len(section)]
    return {match[1]: [*proofs(section[match.start() : end])] for match, end in zip(starts, ends, strict=True)}
