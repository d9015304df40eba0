"""Reads an aes128gcm push message (RFC 8188 §2.1, RFC 8291 §3.4, §4)."""

import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_BODY = 4096
_HEADER = 86
_TAG = 16
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class MessageFault(Exception):
    """The body breaks a rule; `code` names it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Sealed:
    salt: bytes
    record_size: int
    sender_key: bytes
    ciphertext: bytes = field(repr=False)


def parse(body: bytes) -> Sealed:
    """Check the header block and that there is exactly one record. Raises MessageFault."""
    if len(body) < _HEADER + _TAG + 1:
        raise MessageFault("body_short", "shorter than header, delimiter and tag")
    if body[20] != 65:
        raise MessageFault("idlen", "idlen must be 65: the sender's public key (RFC 8291 §4)")
    sealed = Sealed(body[:16], int.from_bytes(body[16:20], "big"), body[21:_HEADER], body[_HEADER:])
    if sealed.record_size <= len(sealed.ciphertext):
        raise MessageFault("record_size", "rs must exceed plaintext, delimiter, padding and tag (RFC 8291 §4)")
    if not on_curve(sealed.sender_key):
        raise MessageFault("sender_key", "keyid is not an uncompressed point on P-256")
    return sealed


def on_curve(point: bytes) -> bool:
    """y² = x³ − 3x + b over P-256, for an uncompressed point."""
    if len(point) != 65 or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < _P and y < _P and (y * y - (x * x - 3) * x - _B) % _P == 0


def decrypt(sealed: Sealed, private_key: ec.EllipticCurvePrivateKey, public_key: bytes, auth: bytes) -> bytes:
    """The plaintext. Raises MessageFault when the tag or the padding is wrong."""
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sealed.sender_key)
    shared = private_key.exchange(ec.ECDH(), sender)
    pseudo_random = hmac.digest(auth, shared, "sha256")
    info = b"WebPush: info\0" + public_key + sealed.sender_key + b"\x01"
    material = hmac.digest(sealed.salt, hmac.digest(pseudo_random, info, "sha256"), "sha256")
    key = hmac.digest(material, b"Content-Encoding: aes128gcm\0\x01", "sha256")[:16]
    nonce = hmac.digest(material, b"Content-Encoding: nonce\0\x01", "sha256")[:12]
    try:
        padded = AESGCM(key).decrypt(nonce, sealed.ciphertext, None)
    except InvalidTag:
        raise MessageFault("decryption", "the message does not decrypt with this subscription's keys") from None
    content = padded.rstrip(b"\0")
    if not content.endswith(b"\x02"):
        raise MessageFault("delimiter", "the last record must end in 0x02 and zeros (RFC 8188 §2)")
    return content[:-1]
