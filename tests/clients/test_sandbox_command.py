import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings


@override_settings(PUSHHUB_PRODUCTION=True)
def test_the_sandbox_refuses_production() -> None:
    with pytest.raises(CommandError, match="not for production"):
        call_command("sandbox")


def test_a_sandbox_that_cannot_start_fails_the_command() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("sandbox", "--port", "99999")
    assert refused.value.returncode == 2
