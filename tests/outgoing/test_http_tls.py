"""TLS: a certificate must be trusted, and be one for the requested name. HTTP/2 is left to libcurl."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from outgoing.http import fetch
from outgoing.network import NetworkPolicy
from outgoing.types import FailureKind, HttpRequest, TransportError
from tests.outgoing.conftest import LOOPBACK, QuietServer, Rude


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture(scope="module")
def port(ca_file: Path) -> Iterator[int]:
    server = QuietServer(("127.0.0.1", 0), Rude)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def failure(url: str, policy: NetworkPolicy, ca_file: Path | None) -> FailureKind:
    with pytest.raises(TransportError) as caught:
        fetch(HttpRequest(url), policy=policy, ca_file=str(ca_file) if ca_file else None)
    return caught.value.failure.kind


def test_a_trusted_certificate_for_the_right_name_is_accepted(port: int, ca_file: Path) -> None:
    url = f"https://localhost:{port}/ok"
    assert fetch(HttpRequest(url), policy=LOOPBACK, ca_file=str(ca_file)).body == b"fine"


def test_a_stranger_s_certificate_is_refused(port: int) -> None:
    assert failure(f"https://localhost:{port}/ok", LOOPBACK, None) == FailureKind.TLS


def test_a_certificate_for_another_name_is_refused(port: int, ca_file: Path) -> None:
    assert failure(f"https://127.0.0.1:{port}/ok", LOOPBACK, ca_file) == FailureKind.TLS


def test_tls_does_not_open_private_networks(port: int, ca_file: Path) -> None:
    assert failure(f"https://localhost:{port}/ok", NetworkPolicy(), ca_file) == FailureKind.REFUSED_ADDRESS


def test_an_operators_own_roots_are_honoured(port: int, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert fetch(HttpRequest(f"https://localhost:{port}/ok"), policy=LOOPBACK).status == 201


def test_roots_are_found_in_a_folder_with_any_name(port: int, ca_file: Path, tmp_path: Path) -> None:
    roots = tmp_path / "café 東京" / "roots.pem"
    roots.parent.mkdir()
    roots.write_bytes(ca_file.read_bytes())
    assert fetch(HttpRequest(f"https://localhost:{port}/ok"), policy=LOOPBACK, ca_file=str(roots)).status == 201
