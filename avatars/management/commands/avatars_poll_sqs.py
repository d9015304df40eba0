"""Read the bucket's events from the operator's SQS queue, until SIGTERM or Ctrl-C."""

import signal
import threading
from typing import Any

import boto3
from botocore.client import Config
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from avatars.poller import Poller


class Command(BaseCommand):
    help = "Take the avatar bucket's events (S3 or EventBridge shape, also through SNS) from an SQS queue."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--queue-url", default=settings.AVATAR_SQS_QUEUE_URL)
        parser.add_argument("--endpoint-url", default=None, help="Another SQS than Amazon's.")
        parser.add_argument("--once", action="store_true", help="One receive, then end.")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["queue_url"]:
            raise CommandError("Which queue? Set AVATAR_SQS_QUEUE_URL or give --queue-url.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        # Longer than the long poll's 20 s.
        config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
        client = boto3.client(
            "sqs", region_name=settings.AVATAR_S3_REGION, endpoint_url=options["endpoint_url"], config=config
        )
        poller = Poller(client, options["queue_url"])
        if options["once"]:
            self.stdout.write(f"{poller.step()} messages taken")
            return
        poller.run(stopping)
