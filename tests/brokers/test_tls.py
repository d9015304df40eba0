"""A broker behind TLS: trusted when its certificate is right, refused when it is not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache.backends.redis import RedisCache
from kombu import Connection
from kombu.exceptions import OperationalError

from bench.faults.installation import installation_start
from bench.tools.certificate import certificate_make
from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.ports import LOOPBACK
from pushhub.workers.brokers import broker_for
from tests.brokers.tls import ELSEWHERE, tls_end
from tests.faults.rounds import DEVICES, assert_nothing_was_repeated, round_on

pytestmark = pytest.mark.broker


Certificate = tuple[Path, Path]  # who signed it; the key and the certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["rediss", "amqps"])
def url(request: pytest.FixtureRequest, cluster: EmbeddedCluster, certificate: Certificate) -> Iterator[str]:
    server = cluster.valkey if request.param == "rediss" else request.getfixturevalue("rabbitmq")
    _, credentials, address = server.url().replace("@", "://").split("://")
    with tls_end(certificate[1], server.port) as port:
        yield f"{request.param}://{credentials}@{address.replace(str(server.port), str(port))}"


@pytest.mark.parametrize(("address", "trusted"), [(LOOPBACK, True), (ELSEWHERE, False)])
def test_the_cache_behind_tls(cluster: EmbeddedCluster, certificate: Certificate, address: str, trusted: bool) -> None:
    ca, chain = certificate
    with tls_end(chain, cluster.valkey.port) as port:
        url = f"rediss://:{cluster.valkey.password}@{address}:{port}/1?ssl_ca_certs={ca}"
        with nullcontext() if trusted else pytest.raises(redis.ConnectionError, match="not valid for"):
            assert RedisCache(url, {}).get("nothing") is None


def exchange(url: str, ca_file: Path | None) -> Any:
    """What comes back of a message sent through a queue."""
    broker = broker_for(url, sqs_prefix="", sqs_queues=[], ca_file=str(ca_file) if ca_file else None)
    options = broker.transport_options | {"max_retries": 0}
    with Connection(url, ssl=broker.tls, transport_options=options) as connection:
        queue = connection.SimpleBuffer(f"tls-{uuid.uuid4()}")
        queue.put("wake up")
        return queue.get(timeout=5).payload


def test_a_broker_with_a_certificate_of_the_given_authority_is_spoken_to(url: str, certificate: Certificate) -> None:
    assert exchange(url, certificate[0]) == "wake up"


def test_a_certificate_that_nobody_vouches_for_is_refused(url: str) -> None:
    with pytest.raises(OperationalError, match="self-signed certificate"):
        exchange(url, None)


def test_a_certificate_of_another_name_is_refused(url: str, certificate: Certificate) -> None:
    with pytest.raises(OperationalError, match=r"not valid for .127\.0\.0\.2"):
        exchange(url.replace(LOOPBACK, ELSEWHERE), certificate[0])


def test_a_broadcast_goes_out_by_tls_alone(url: str, certificate: Certificate, tmp_path: Path) -> None:
    settings = {"CELERY_BROKER_URL": url, "BROKER_CA_FILE": str(certificate[0])}
    with installation_start(DEVICES, settings=settings) as installation, round_on(installation, tmp_path) as made:
        made.dispatcher_start()
        made.begin()
        assert_nothing_was_repeated(made.finish())
