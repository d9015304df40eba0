"""The base of commands that call services. An error of a service is one line, not a traceback."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from pushhub.kernel.errors import ApiError


class ServiceCommand(BaseCommand):
    """Subclasses implement `run`. An ApiError becomes a CommandError with its detail."""

    @override
    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            return self.run(**options)
        except ApiError as error:
            raise CommandError(error.detail) from error

    def run(self, **options: Any) -> str | None:
        """The returned text is printed. Raises ApiError, CommandError."""
        raise NotImplementedError
