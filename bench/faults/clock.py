"""A different wall clock for a process and its children, as on a host whose clock is wrong. See clock.c."""

import shutil
import subprocess
from pathlib import Path

from bench.faults.skipped import Skipped

SOURCE = Path(__file__).with_suffix(".c")


def clock_shifted(seconds: int, folder: Path) -> dict[str, str]:
    """Environment for a process whose clock is ahead by `seconds`. The library is built in `folder`. Raises Skipped."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skipped("shifting the clock of a process needs a C compiler, and there is no cc")
    library = folder / "clock.so"
    if not library.exists():
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds)}
