"""Files of devices hold tokens: their chunks are sealed like the devices' own."""

from pushhub.kernel.crypto import seal, unseal

CHUNK = "devices.jobchunk.data_sealed"


def chunk_seal(data: bytes) -> bytes:
    return seal(data, purpose=CHUNK)


def chunk_open(sealed: bytes) -> bytes:
    """Raises SealBroken."""
    return unseal(sealed, purpose=CHUNK)
