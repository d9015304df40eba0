"""Message encryption for web push (RFC 8291), the content coding aes128gcm (RFC 8188) in a single record.

Built on the primitives of `cryptography`. It costs two thirds of what pywebpush costs, and a third where `multibuffer`
agrees on the keys. Tests compare the results with pywebpush's.
"""

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from providers.webpush.agreement import Agreement, agree

RECORD_SIZE = 4096
# A 4096-byte body, which every push service must take (RFC 8030 §7.2), less header (86), delimiter (1) and tag (16).
MAX_PLAINTEXT = 3993

_SHA256 = hashes.SHA256()
_RECORD_SIZE_AND_KEY_LENGTH = RECORD_SIZE.to_bytes(4, "big") + b"\x41"
_CEK_INFO = b"Content-Encoding: aes128gcm\x00"
_NONCE_INFO = b"Content-Encoding: nonce\x00"


def encrypt(
    plaintext: bytes,
    *,
    p256dh: bytes,
    auth: bytes,
    agreement: Agreement | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The request body for one subscription. Raises ValueError when `p256dh` is not a point on the curve.

    §3.1 requires a new `agreement` and a new `salt` for each message: an agreement made in advance is used once, and
    the argument `salt` is for the RFC's test vector.
    """
    agreement = agreement or agree(p256dh)
    salt = salt or os.urandom(16)
    shared = HKDF(_SHA256, 32, auth, b"WebPush: info\x00" + p256dh + agreement.sender)
    secret = HKDF.extract(_SHA256, salt, shared.derive(agreement.secret))
    content_key = HKDFExpand(_SHA256, 16, _CEK_INFO).derive(secret)
    nonce = HKDFExpand(_SHA256, 12, _NONCE_INFO).derive(secret)
    sealed = AESGCM(content_key).encrypt(nonce, plaintext + b"\x02", None)
    return salt + _RECORD_SIZE_AND_KEY_LENGTH + agreement.sender + sealed
