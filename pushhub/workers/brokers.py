"""The supported brokers and Celery's options for each of them (docs/operations/brokers.md).

A broker carries wake-ups, never data. If it loses a wake-up, beat finds the rows.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue

from pushhub.kernel.env import EnvironmentInvalid

QUEUES = ("dispatch", "registry", "avatars", "upkeep")
QUEUE_LENGTH = 10_000  # of wake-ups that no worker takes; the oldest are dropped first
# A RabbitMQ that is starting may accept a message and never confirm it, so every publish has this limit.
CONFIRM_SECONDS = 5


@dataclass(frozen=True)
class Broker:
    """`transport_options` and `tls` go to kombu. `tls` is False for plain TCP, and for SQS, where boto3 handles TLS.
    `queues` are declared at start; with None, each queue is created on first use."""

    transport_options: dict[str, Any]
    queues: list[Queue] | None = None
    remote_control: bool = True
    tls: dict[str, Any] | bool = False


def broker_for(url: str, *, sqs_prefix: str, sqs_queues: list[str], ca_file: str | None = None) -> Broker:
    """The broker for the URL's scheme. `;` separates several addresses of one kind, for failover. `ca_file` is a PEM
    file with the authorities that may sign a TLS broker's certificate; None means those that this machine trusts.

    Raises EnvironmentInvalid with a remedy. The text does not contain the URL, because the URL contains a password.
    """
    if ca_file and not Path(ca_file).is_file():
        raise EnvironmentInvalid("BROKER_CA_FILE must be the path of a PEM file, but the file does not exist.")
    schemes = {address.partition("://")[0] if "://" in address else "" for address in url.split(";")}
    # By default kombu accepts any certificate for rediss://, and a certificate for any host name for amqps://.
    if schemes in ({"redis"}, {"rediss"}):
        trust = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": ca_file}
        return _redis(tls=trust if schemes == {"rediss"} else False)
    if schemes in ({"amqp"}, {"amqps"}):
        # A server_hostname of None means the host name of the URL.
        trust = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, "ca_certs": ca_file}
        return _rabbitmq(tls=trust if schemes == {"amqps"} else False)
    if schemes == {"sqs"}:
        return _sqs(sqs_prefix, sqs_queues)
    raise EnvironmentInvalid(
        "CELERY_BROKER_URL must start with redis:// or rediss:// (Valkey, Redis), amqp:// or amqps:// (RabbitMQ) or"
        " sqs://. For example: redis://:password@host:6379/0, amqp://user:password@host:5672/vhost, sqs://"
    )


def _redis(*, tls: dict[str, Any] | bool) -> Broker:
    # Without these timeouts `.delay()` hangs forever when a broker accepts TCP connections and never responds.
    return Broker({"socket_timeout": 1, "socket_connect_timeout": 1, "visibility_timeout": 60}, tls=tls)


def _rabbitmq(*, tls: dict[str, Any] | bool) -> Broker:
    # Celery binds quorum queues to exchanges for delayed tasks, and warns if they are direct. pushhub delays no tasks.
    arguments = {"x-queue-type": "quorum", "x-max-length": QUEUE_LENGTH}
    queues = [Queue(name, Exchange(name, type="topic"), name, queue_arguments=arguments) for name in QUEUES]
    return Broker({"confirm_publish": True, "write_timeout": 5}, queues, tls=tls)


def _sqs(prefix: str, pairs: list[str]) -> Broker:
    # A long poll returns as soon as there is a message. A busy worker asks for no messages: `polling_interval` is its
    # pause, without which it would loop without end.
    polling = {"visibility_timeout": 60, "wait_time_seconds": 10, "polling_interval": 0.5}
    urls = dict(pair.partition("=")[::2] for pair in pairs)
    if not urls:
        return Broker(polling | {"queue_name_prefix": prefix}, remote_control=False)
    if set(urls) != set(QUEUES) or not all(urls.values()):
        example = ",".join(f"{name}=https://sqs.…/{name}" for name in QUEUES)
        raise EnvironmentInvalid(f"BROKER_SQS_QUEUES must be empty or give each queue's URL: {example}")
    return Broker(
        polling | {"predefined_queues": {name: {"url": url} for name, url in urls.items()}}, remote_control=False
    )
