"""What a process and its children cost, from /proc: CPU (user + system, ended children too) and resident memory."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """`largest_mb`: resident memory of the largest single process of the tree."""

    cpu_seconds: float
    largest_mb: float


def tree_usage(pid: int) -> Usage:
    found = [_read(member) for member in _tree(pid)]
    return Usage(sum(cpu for cpu, _ in found), max((rss for _, rss in found), default=0.0))


def _tree(root: int) -> list[int]:
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    members = [root]
    for member in members:
        members += [pid for pid, parent in parents.items() if parent == member]
    return members


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, which may hold spaces; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(path: Path) -> int:
    fields = _stat(int(path.name))
    return int(fields[1]) if fields else 0


def _read(pid: int) -> tuple[float, float]:
    fields = _stat(pid)
    if not fields:
        return 0.0, 0.0
    return sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE / 1e6
