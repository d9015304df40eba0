"""The broker that carries wake-ups to the workers (docs/operations/brokers.md)."""

from pushhub.kernel.env import env_list, env_str
from pushhub.workers.brokers import broker_for

CELERY_BROKER_URL = env_str("CELERY_BROKER_URL")
_broker = broker_for(
    CELERY_BROKER_URL,
    sqs_prefix=env_str("BROKER_SQS_PREFIX", "pushhub-"),
    sqs_queues=env_list("BROKER_SQS_QUEUES"),
    ca_file=env_str("BROKER_CA_FILE", "") or None,
)

CELERY_BROKER_TRANSPORT_OPTIONS = _broker.transport_options
CELERY_BROKER_USE_SSL = _broker.tls
CELERY_TASK_QUEUES = _broker.queues
CELERY_IMPORTS = ("pushhub.workers.worker_metrics",)
CELERY_TASK_DEFAULT_QUEUE = "upkeep"
# Celery's default, repeated because it is a guarantee: a worker that accepts pickle runs the code of any publisher.
CELERY_ACCEPT_CONTENT = ["json"]
# One immediate retry on a new connection. Without it a broken AMQP connection would never be noticed and replaced.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Without remote control, workers did not continue after a restart of Valkey.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = _broker.remote_control
CELERY_BROKER_HEARTBEAT = 30
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# With quorum queues, Celery creates 28 queues for delayed tasks. pushhub delays no tasks, so the cheap kind is enough.
CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "classic"
