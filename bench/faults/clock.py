"""Another wall clock for a process and its children, as on a host whose clock is wrong: see clock.c beside it."""

import shutil
import subprocess
from pathlib import Path

from bench.faults.skipped import Skipped

SOURCE = Path(__file__).with_suffix(".c")


def clock_shifted(seconds: int, folder: Path) -> dict[str, str]:
    """Environment for a process that believes it is so much later; its library goes into `folder`. Raises Skipped."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skipped("shifting a process's clock takes a C compiler, and there is no cc")
    library = folder / "clock.so"
    if not library.exists():
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds)}
