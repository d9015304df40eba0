"""The key that signs SNS notifications, and its certificate, issued by the sandbox's own certificate authority."""

import secrets
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

_LIFETIME = timedelta(days=30)


class SigningCertificate:
    """Made at first use (two RSA keys, some 200 ms) and lost with the process."""

    def __init__(self) -> None:
        self.path = f"/SimpleNotificationService-{secrets.token_hex(16)}.pem"

    @cached_property
    def private_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _authority_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def authority_pem(self) -> bytes:
        name = _name("pushhub sandbox certificate authority")
        return self._certificate(name, self._authority_key, authority=True).public_bytes(Encoding.PEM)

    @cached_property
    def pem(self) -> bytes:
        return self._certificate(_name("sns.amazonaws.com"), self.private_key, authority=False).public_bytes(
            Encoding.PEM
        )

    def _certificate(self, subject: x509.Name, key: rsa.RSAPrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("pushhub sandbox certificate authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        )
        if not authority:
            names = x509.SubjectAlternativeName([x509.DNSName("sns.amazonaws.com")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._authority_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
