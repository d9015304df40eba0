"""Commands that call services: what a service refuses is one clear line, not a traceback."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from pushhub.kernel.errors import ApiError


class ServiceCommand(BaseCommand):
    """Subclasses write `run`; an ApiError becomes a CommandError with its detail."""

    @override
    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            return self.run(**options)
        except ApiError as error:
            raise CommandError(error.detail) from error

    def run(self, **options: Any) -> str | None:
        """What is returned is printed. Raises ApiError, CommandError."""
        raise NotImplementedError
