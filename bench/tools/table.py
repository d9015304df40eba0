"""Prints rows of figures as a text table."""

from collections.abc import Sequence
from typing import Any


def table_print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{title}")
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    print("  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)))
    for row in rows:
        print("  ".join(str(row[name]).rjust(width) for name, width in zip(names, widths, strict=True)), flush=True)
