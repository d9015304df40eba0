"""An application server made from other libraries (py_vapid, http_ece, requests). Every part can be changed."""

import base64
import json
import os
import time
from collections.abc import Mapping
from typing import Any

import http_ece
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from sandbox.testing import WebSubscription


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw_point(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Sender:
    def __init__(self, origin: str) -> None:
        self.origin = origin
        # Not strict, so that invalid claims reach the service, which the library would refuse to sign.
        self.vapid = Vapid02(conf={"no-strict": True})
        self.vapid.generate_keys()

    @property
    def key(self) -> str:
        return encode(raw_point(self.vapid.private_key))

    def authorization(self, **claims: Any) -> str:
        good = {"aud": self.origin, "sub": "mailto:ops@example.com", "exp": int(time.time()) + 3_600}
        signed: dict[str, str] = self.vapid.sign({k: v for k, v in (good | claims).items() if v is not None})
        return signed["Authorization"]

    def seal(
        self,
        subscription: WebSubscription,
        plaintext: bytes = b'{"title": "Hello"}',
        *,
        key: ec.EllipticCurvePrivateKey | None = None,
        salt: bytes | None = None,
        record_size: int = 4096,
    ) -> bytes:
        keys = subscription["keys"]
        sealed: bytes = http_ece.encrypt(
            plaintext,
            salt=salt or os.urandom(16),
            private_key=key or new_key(),
            dh=decode(keys["p256dh"]),
            auth_secret=decode(keys["auth"]),
            rs=record_size,
            version="aes128gcm",
        )
        return sealed

    def send(
        self,
        subscription: WebSubscription,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        **claims: Any,
    ) -> requests.Response:
        """A correct request, changed by the arguments. A header of None is left out."""
        sent: dict[str, str | None] = {
            "TTL": "60",
            "Content-Encoding": "aes128gcm",
            "Authorization": self.authorization(**claims),
            **(headers or {}),
        }
        content = self.seal(subscription) if body is None else body
        return requests.post(
            subscription["endpoint"],
            data=content,
            headers={name: value for name, value in sent.items() if value is not None},
            timeout=5,
        )


def apns(title: str = "Hello", **more: Any) -> str:
    payload = json.dumps({"aps": {"alert": {"title": title}}, **more})
    return json.dumps({"default": title, "APNS": payload})
