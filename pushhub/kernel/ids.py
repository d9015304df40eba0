"""UUIDv7 (RFC 9562 §5.7): ids in the order of their creation, so that tables and their indexes grow at one end."""

import os
import time
import uuid
from datetime import UTC, datetime


def uuid7() -> uuid.UUID:
    """A new id: 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    return _build(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))


def uuid7_floor(moment: datetime) -> uuid.UUID:
    """The smallest id that can be created at `moment`: the bound of a partition or of a search by time. For a moment
    before 1970 it is the smallest UUID."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def uuid7_time(value: uuid.UUID) -> datetime:
    """When an id was created, to the millisecond."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def _build(milliseconds: int, random: int) -> uuid.UUID:
    value = (
        (milliseconds << 80) | (0x7 << 76) | ((random >> 64 & 0xFFF) << 64) | (0b10 << 62) | (random & (1 << 62) - 1)
    )
    return uuid.UUID(int=value)
