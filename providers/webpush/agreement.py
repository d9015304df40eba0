"""The key agreement of RFC 8291 §3.1: for each message a new key, and ECDH on P-256 with the subscription's key.

It is most of what a message costs. `agree_each` computes eight at a time where the processor can: 20 µs each, not 70.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from providers.webpush.multibuffer import LANES, MultiBuffer, installed

logger = logging.getLogger(__name__)

WORTHWHILE: Final = 3  # all lanes cost what two messages cost OpenSSL

_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()


@dataclass(slots=True)
class Agreement:
    """For one message only. `sender` is the public key of this message, 65 bytes (SEC 1 §2.3.3); `secret` has 32."""

    sender: bytes
    secret: bytes = field(repr=False)


def agree(p256dh: bytes, *, private_key: ec.EllipticCurvePrivateKey | None = None) -> Agreement:
    """By OpenSSL. Raises ValueError when `p256dh` is not a point on the curve. `private_key` is for test vectors."""
    key = private_key or ec.generate_private_key(_CURVE)
    receiver = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, p256dh)
    return Agreement(public_point(key), key.exchange(_ECDH, receiver))


def agree_each(points: Sequence[bytes]) -> list[Agreement | None]:
    """One for each `p256dh`, in order. None where it is not a point on the curve."""
    found: list[Agreement | None] = []
    eights = multibuffer()
    for start in range(0, len(points), LANES):
        few = points[start : start + LANES]
        if eights is None or len(few) < WORTHWHILE:
            found += map(_agree_or_none, few)
        else:
            found += (None if made is None else Agreement(*made) for made in eights.agree(few))
    return found


@cache
def multibuffer() -> MultiBuffer | None:
    """The library of this process. None where it is not available; OpenSSL is used then, and the log says why."""
    try:
        found = MultiBuffer(installed())
        _try(found)
    except (PackageNotFoundError, OSError, AttributeError, ValueError) as error:
        logger.warning("keys are agreed on one by one", extra={"reason": str(error)})
        return None
    logger.info("keys are agreed on eight at a time")
    return found


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _agree_or_none(p256dh: bytes) -> Agreement | None:
    try:
        return agree(p256dh)
    except ValueError:
        return None


def _try(found: MultiBuffer) -> None:
    """Compare it with OpenSSL. Raises OSError when a result differs, ValueError when one is not a point."""
    theirs = [ec.generate_private_key(_CURVE) for _ in range(LANES)]
    for key, made in zip(theirs, found.agree([public_point(key) for key in theirs]), strict=True):
        if made is None or agree(made[0], private_key=key).secret != made[1]:
            raise OSError("its result differs from OpenSSL's")
