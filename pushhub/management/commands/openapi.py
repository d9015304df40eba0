"""`manage.py openapi`: prints the OpenAPI document, for client generators and for comparing versions of the API."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from pushhub.http.docs import schema


class Command(BaseCommand):
    help = "Print the OpenAPI 3.1 document as JSON."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(schema(), indent=2, default=str))
