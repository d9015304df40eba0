"""Files of devices contain tokens: their chunks are sealed like the tokens of devices."""

from pushhub.kernel.crypto import seal, unseal
from pushhub.kernel.purposes import Purpose


def chunk_seal(data: bytes) -> bytes:
    return seal(data, purpose=Purpose.JOB_CHUNK)


def chunk_open(sealed: bytes) -> bytes:
    """Raises SealBroken."""
    return unseal(sealed, purpose=Purpose.JOB_CHUNK)
