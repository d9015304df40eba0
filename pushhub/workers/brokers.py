"""Which kinds of broker there are, and what Celery must know of each (docs/operations/brokers.md).

A broker carries wake-ups, never data: whatever it loses, beat finds the rows.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue

from pushhub.kernel.env import EnvironmentInvalid

QUEUES = ("dispatch", "registry", "avatars", "upkeep")
QUEUE_LENGTH = 10_000  # wake-ups that nobody takes; the oldest go first
# A RabbitMQ that is just starting may take a message and never confirm it: every publish names this limit.
CONFIRM_SECONDS = 5


@dataclass(frozen=True)
class Broker:
    """`transport_options` and `tls` go to kombu; `tls` is False for plain TCP, and for SQS, where boto3 sees to it.
    `queues` is what to declare; where it is None, they are made on first use."""

    transport_options: dict[str, Any]
    queues: list[Queue] | None = None
    remote_control: bool = True
    tls: dict[str, Any] | bool = False


def broker_for(url: str, *, sqs_prefix: str, sqs_queues: list[str], ca_file: str | None = None) -> Broker:
    """By the URL's scheme. Several addresses of one kind, to fail over to, are joined by `;`. `ca_file`: PEM, of those
    who may sign a TLS broker's certificate; None for whom this machine trusts.

    Raises EnvironmentInvalid with the remedy and without the URL: it holds a password.
    """
    if ca_file and not Path(ca_file).is_file():
        raise EnvironmentInvalid("BROKER_CA_FILE must be the path of a PEM file: there is no such file.")
    schemes = {address.partition("://")[0] if "://" in address else "" for address in url.split(";")}
    # Left to itself, kombu takes any certificate for rediss://, and one of any name for amqps://.
    if schemes in ({"redis"}, {"rediss"}):
        trust = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": ca_file}
        return _redis(tls=trust if schemes == {"rediss"} else False)
    if schemes in ({"amqp"}, {"amqps"}):
        trust = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, "ca_certs": ca_file}  # None: the URL's
        return _rabbitmq(tls=trust if schemes == {"amqps"} else False)
    if schemes == {"sqs"}:
        return _sqs(sqs_prefix, sqs_queues)
    raise EnvironmentInvalid(
        "CELERY_BROKER_URL must start with redis:// or rediss:// (Valkey, Redis), amqp:// or amqps:// (RabbitMQ) or"
        " sqs://. For example: redis://:password@host:6379/0, amqp://user:password@host:5672/vhost, sqs://"
    )


def _redis(*, tls: dict[str, Any] | bool) -> Broker:
    # A broker that takes TCP and never answers would otherwise hang `.delay()` for ever.
    return Broker({"socket_timeout": 1, "socket_connect_timeout": 1, "visibility_timeout": 60}, tls=tls)


def _rabbitmq(*, tls: dict[str, Any] | bool) -> Broker:
    # Celery binds quorum queues to exchanges for delayed tasks, which we have none of, and warns of direct ones.
    arguments = {"x-queue-type": "quorum", "x-max-length": QUEUE_LENGTH}
    queues = [Queue(name, Exchange(name, type="topic"), name, queue_arguments=arguments) for name in QUEUES]
    return Broker({"confirm_publish": True, "write_timeout": 5}, queues, tls=tls)


def _sqs(prefix: str, pairs: list[str]) -> Broker:
    # A long poll answers as soon as there is a message. The interval is the pause of a worker that is busy and asks for
    # none: without it, it would spin.
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
