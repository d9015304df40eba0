"""SQS → ingest: long polling, batch deletes. A message that could not be applied stays in the queue: SQS delivers it
again, and after `maxReceiveCount` deliveries moves it to the dead-letter queue, where an operator finds it."""

import logging
import threading
from typing import Any

from django.db import close_old_connections

from avatars.ingest import EventUnreadable, events_apply

logger = logging.getLogger(__name__)

WAIT_SECONDS = 20  # SQS's longest
BATCH = 10  # SQS's largest
PAUSE_SECONDS = 5.0


class Poller:
    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping` is set. After an error it waits and polls again."""
        while not stopping.is_set():
            close_old_connections()
            try:
                self.step()
            except Exception:
                logger.exception("polling failed")
                stopping.wait(PAUSE_SECONDS)

    def step(self) -> int:
        """Receive once. How many messages were applied and deleted."""
        response = self._client.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT_SECONDS
        )
        applied = [message for message in response.get("Messages", []) if _applied(message)]
        if applied:
            self._delete(applied)
        return len(applied)

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        """A message that is not deleted is delivered again, and changes nothing."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        response = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        for failure in response.get("Failed", []):
            logger.warning("message not deleted", extra={"code": failure.get("Code")})


def _applied(message: dict[str, Any]) -> bool:
    try:
        events_apply(message["Body"])
    except EventUnreadable as fault:
        logger.warning("message unreadable", extra={"message_id": message.get("MessageId"), "fault": str(fault)})
        return False
    except Exception:
        logger.exception("message not applied", extra={"message_id": message.get("MessageId")})
        return False
    return True
