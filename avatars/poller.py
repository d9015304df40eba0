"""SQS → ingest: long polling, batch deletes. What could not be applied is left: SQS shows it again, and after the
queue's `maxReceiveCount` moves it to its dead-letter queue, where an operator finds it."""

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
        """Until `stopping` is set. An SQS that is away is asked again after a pause."""
        while not stopping.is_set():
            close_old_connections()
            try:
                self.step()
            except Exception:
                logger.exception("polling failed")
                stopping.wait(PAUSE_SECONDS)

    def step(self) -> int:
        """One receive. How many messages were applied and deleted."""
        answer = self._client.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT_SECONDS
        )
        taken = [message for message in answer.get("Messages", []) if _applied(message)]
        if taken:
            self._delete(taken)
        return len(taken)

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        """A message that stays comes again, and changes nothing then."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        for failure in answer.get("Failed", []):
            logger.warning("message not deleted", extra={"code": failure.get("Code")})


def _applied(message: dict[str, Any]) -> bool:
    try:
        events_apply(message["Body"])
    except EventUnreadable as fault:
        logger.warning("message not understood", extra={"message_id": message.get("MessageId"), "fault": str(fault)})
        return False
    except Exception:
        logger.exception("message not applied", extra={"message_id": message.get("MessageId")})
        return False
    return True
