"""The decoder process: what it can do, and what happens when it dies."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from avatars.imaging import helper as helper_module
from avatars.imaging.helper import DecoderUnavailable, Helper
from avatars.imaging.normalise import image_normalise
from avatars.imaging.types import ImageFault, ImageRefused
from tests.avatars.imaging.builders import encoded


@pytest.fixture
def helper() -> Iterator[Helper]:
    with contextlib.closing(Helper()) as made:
        yield made


def pid_of(helper: Helper) -> int:
    image_normalise(encoded("PNG"), helper=helper)
    assert helper.pid is not None
    return helper.pid


def test_one_process_serves_many_pictures(helper: Helper) -> None:
    assert pid_of(helper) == pid_of(helper)


def test_it_shares_its_workers_scheduling_group(helper: Helper) -> None:
    """Linux gives each session its own share of the CPU: in a separate session the decoder would get as much as all
    other processes together."""
    pid = pid_of(helper)
    assert os.getsid(pid) == os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0), "Ctrl-C reaches only the worker"


def test_a_decoder_that_was_killed_is_replaced(helper: Helper) -> None:
    first = pid_of(helper)
    os.kill(first, signal.SIGKILL)
    assert pid_of(helper) != first


def test_a_decoder_that_does_not_start_does_not_refuse_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_module, "SCRIPT", Path("/nonexistent"))
    with pytest.raises(DecoderUnavailable):
        image_normalise(encoded("PNG"), helper=Helper())


def test_a_decoder_that_hangs_is_replaced() -> None:
    with contextlib.closing(Helper(wall_seconds=0.5)) as helper:
        first = pid_of(helper)
        os.kill(first, signal.SIGSTOP)
        assert pid_of(helper) != first


def test_a_picture_that_takes_too_long_is_refused() -> None:
    slow = encoded("PNG", Image.new("RGBA", (4000, 4000)))
    with contextlib.closing(Helper(wall_seconds=0.02)) as helper, pytest.raises(ImageRefused) as refused:
        image_normalise(slow, helper=helper)
    assert refused.value.code == ImageFault.TOO_COMPLEX


def test_cpu_time_is_limited(helper: Helper) -> None:
    limits = Path(f"/proc/{pid_of(helper)}/limits").read_text()
    soft = next(line for line in limits.splitlines() if line.startswith("Max cpu time")).split()[3]
    assert int(soft) <= helper_module.CPU_SECONDS + 2


def test_it_is_replaced_after_a_number_of_pictures(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_module, "PICTURES_PER_PROCESS", 2)
    assert len({pid_of(helper) for _ in range(6)}) == 3


def test_it_has_no_environment_and_can_open_nothing(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sesame")
    status = Path(f"/proc/{pid_of(helper)}")
    assert b"sesame" not in (status / "environ").read_bytes()
    limits = (status / "limits").read_text()
    for name in ("Max open files", "Max file size", "Max core file size"):
        assert next(line for line in limits.splitlines() if line.startswith(name)).split()[-3:-1] == ["0", "0"]
    assert len(list((status / "fd").iterdir())) == 3


def test_a_fork_gets_its_own_decoder(helper: Helper) -> None:
    first = pid_of(helper)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(pid_of(helper)).encode())
        helper.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 20)) != first
    assert pid_of(helper) == first
    os.close(reader)
    os.close(writer)
