"""The broker's URL decides Celery's options. An invalid URL stops the start with a remedy."""

from __future__ import annotations

import pytest

from pushhub.kernel.env import EnvironmentInvalid
from pushhub.settings.beat import CELERY_BEAT_SCHEDULE
from pushhub.workers.brokers import QUEUES, Broker, broker_for

URLS = [f"{name}=https://sqs.eu-west-1.amazonaws.com/1/{name}" for name in QUEUES]


def broker(url: str, *, sqs_queues: list[str] | None = None) -> Broker:
    return broker_for(url, sqs_prefix="pushhub-", sqs_queues=sqs_queues or [])


@pytest.mark.parametrize("url", ["redis://:pw@host:6379/0", "rediss://host"])
def test_valkey_has_timeouts(url: str) -> None:
    assert broker(url).transport_options.keys() >= {"socket_timeout", "socket_connect_timeout"}


@pytest.mark.parametrize("url", ["amqp://user:pw@host//", "amqps://host/vhost", "amqp://one;amqp://two"])
def test_rabbitmq_has_confirmed_publishes_and_quorum_queues(url: str) -> None:
    chosen = broker(url)
    assert chosen.transport_options["confirm_publish"] is True
    assert [queue.name for queue in chosen.queues or []] == list(QUEUES)
    assert {(queue.queue_arguments or {})["x-queue-type"] for queue in chosen.queues or []} == {"quorum"}


def test_sqs_has_a_prefix_and_no_remote_control() -> None:
    chosen = broker("sqs://")
    assert chosen.transport_options["queue_name_prefix"] == "pushhub-"
    assert not chosen.remote_control


def test_the_queues_of_sqs_can_be_given_by_url() -> None:
    options = broker("sqs://", sqs_queues=URLS).transport_options
    assert options["predefined_queues"]["upkeep"] == {"url": "https://sqs.eu-west-1.amazonaws.com/1/upkeep"}
    assert "queue_name_prefix" not in options


@pytest.mark.parametrize("queues", [URLS[:1], [*URLS, "more=https://x"], ["dispatch", *URLS[1:]]])
def test_the_urls_of_only_some_queues_are_refused(queues: list[str]) -> None:
    with pytest.raises(EnvironmentInvalid, match=",upkeep=https://"):
        broker("sqs://", sqs_queues=queues)


@pytest.mark.parametrize(("url", "tls"), [("redis://a", False), ("rediss://a", True), ("amqps://a;amqps://b", True)])
def test_the_scheme_decides_about_tls(url: str, tls: bool) -> None:
    assert bool(broker(url).tls) is tls


def test_a_missing_ca_file_stops_the_start() -> None:
    with pytest.raises(EnvironmentInvalid, match="BROKER_CA_FILE must be"):
        broker_for("rediss://host", sqs_prefix="", sqs_queues=[], ca_file="/no/such/file")


@pytest.mark.parametrize("url", ["", "host:6379", "http://x:secret@host", "redis://x:secret@a;amqp://b"])
def test_an_unsupported_broker_is_refused_with_a_remedy_and_without_its_password(url: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="amqp://user:password@host") as refused:
        broker(url)
    assert "secret" not in str(refused.value)


def test_beat_uses_known_queues_only() -> None:
    assert {entry["options"]["queue"] for entry in CELERY_BEAT_SCHEDULE.values()} <= set(QUEUES)
