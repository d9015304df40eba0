"""The cost of a process and its children, from /proc: CPU (user + system, with ended children) and memory."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """`largest_mb`: resident memory of the largest process of the tree. `shared_out_mb`: memory of the whole tree, with
    every shared page counted once (Pss), as far as /proc reports it."""

    cpu_seconds: float
    largest_mb: float
    shared_out_mb: float


def tree_usage(pid: int) -> Usage:
    members = _tree(pid)
    found = [_read(member) for member in members]
    largest = max((rss for _, rss in found), default=0.0)
    return Usage(sum(cpu for cpu, _ in found), largest, sum(map(_pss_mb, members)))


def _tree(root: int) -> list[int]:
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    members = [root]
    for member in members:
        members += [pid for pid, parent in parents.items() if parent == member]
    return members


def _stat(pid: int) -> list[str]:
    """The fields after the command (which may contain spaces) in /proc/<pid>/stat. Empty if the process has ended."""
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


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
