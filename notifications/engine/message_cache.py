"""The messages that a process used last: each is read and built once, not once for each delivery."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

from notifications.message import message_build
from notifications.models import Notification
from providers.types import Message

MESSAGES_KEPT: Final = 256  # some MB at most


class MessageCache:
    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, Message] = OrderedDict()

    def get(self, notification_id: UUID) -> Message:
        """Raises Notification.DoesNotExist."""
        message = self._kept.get(notification_id)
        if message is None:
            message = message_build(notification=Notification.objects.get(id=notification_id))
            self._kept[notification_id] = message
            if len(self._kept) > MESSAGES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(notification_id)
        return message
