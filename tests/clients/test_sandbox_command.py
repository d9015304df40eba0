import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings


@override_settings(PUSHHUB_PRODUCTION=True)
def test_the_sandbox_does_not_start_in_production() -> None:
    with pytest.raises(CommandError, match="not for production"):
        call_command("sandbox")


def test_the_command_fails_if_the_sandbox_cannot_start() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("sandbox", "--port", "99999")
    assert refused.value.returncode == 2
