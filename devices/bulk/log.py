"""Log an error's type and place without its text: PostgreSQL and Python quote the values that they refuse."""

import logging
import traceback
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FRAMES = 4  # the innermost ones


def error_log(message: str, error: BaseException, **extra: Any) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    places = " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    logger.error("%s: %s at %s", message, type(error).__name__, places, extra=extra)
