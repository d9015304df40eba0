"""A broker's URL decides what Celery is told; one that cannot be used stops the start and says what to write."""

from __future__ import annotations

import pytest

from pushhub.kernel.env import EnvironmentInvalid
from pushhub.settings.beat import CELERY_BEAT_SCHEDULE
from pushhub.workers.brokers import QUEUES, Broker, broker_for

URLS = [f"{name}=https://sqs.eu-west-1.amazonaws.com/1/{name}" for name in QUEUES]


def broker(url: str, *, sqs_queues: list[str] | None = None) -> Broker:
    return broker_for(url, sqs_prefix="pushhub-", sqs_queues=sqs_queues or [])


@pytest.mark.parametrize("url", ["redis://:pw@host:6379/0", "rediss://host"])
def test_valkey_may_not_hang(url: str) -> None:
    assert broker(url).transport_options.keys() >= {"socket_timeout", "socket_connect_timeout"}


@pytest.mark.parametrize("url", ["amqp://user:pw@host//", "amqps://host/vhost", "amqp://one;amqp://two"])
def test_rabbitmq_confirms_and_replicates(url: str) -> None:
    chosen = broker(url)
    assert chosen.transport_options["confirm_publish"] is True
    assert [queue.name for queue in chosen.queues or []] == list(QUEUES)
    assert {(queue.queue_arguments or {})["x-queue-type"] for queue in chosen.queues or []} == {"quorum"}


def test_sqs_has_a_prefix_and_no_remote_control() -> None:
    chosen = broker("sqs://")
    assert chosen.transport_options["queue_name_prefix"] == "pushhub-"
    assert not chosen.remote_control


def test_sqs_may_be_given_its_queues() -> None:
    options = broker("sqs://", sqs_queues=URLS).transport_options
    assert options["predefined_queues"]["upkeep"] == {"url": "https://sqs.eu-west-1.amazonaws.com/1/upkeep"}
    assert "queue_name_prefix" not in options


@pytest.mark.parametrize("queues", [URLS[:1], [*URLS, "more=https://x"], ["dispatch", *URLS[1:]]])
def test_sqs_needs_all_of_them_or_none(queues: list[str]) -> None:
    with pytest.raises(EnvironmentInvalid, match=",upkeep=https://"):
        broker("sqs://", sqs_queues=queues)


@pytest.mark.parametrize(("url", "tls"), [("redis://a", False), ("rediss://a", True), ("amqps://a;amqps://b", True)])
def test_tls_is_asked_for_by_the_scheme(url: str, tls: bool) -> None:
    assert bool(broker(url).tls) is tls


def test_a_file_of_authorities_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(EnvironmentInvalid, match="BROKER_CA_FILE must be"):
        broker_for("rediss://host", sqs_prefix="", sqs_queues=[], ca_file="/no/such/file")


@pytest.mark.parametrize("url", ["", "host:6379", "http://x:secret@host", "redis://x:secret@a;amqp://b"])
def test_another_kind_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="amqp://user:password@host") as refused:
        broker(url)
    assert "secret" not in str(refused.value)


def test_beat_knows_no_other_queue() -> None:
    assert {entry["options"]["queue"] for entry in CELERY_BEAT_SCHEDULE.values()} <= set(QUEUES)
