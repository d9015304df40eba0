from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pushhub.embedded.account import EmbeddedError
from pushhub.embedded.bootstrap import DEFAULT_PORT, port_choose, run
from pushhub.embedded.ports import port_hold, port_of
from pushhub.embedded.state import Lock


def test_an_explicit_port_that_is_taken_is_refused_with_the_way_out() -> None:
    with port_hold() as taken, pytest.raises(EmbeddedError, match="PORT=8001 make run"):
        port_choose(str(port_of(taken)))


def test_the_default_port_gives_way_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # it is taken already: as good
            stack.enter_context(port_hold(DEFAULT_PORT))
        chosen = port_of(stack.enter_context(port_choose("")))
    assert chosen > DEFAULT_PORT
    assert f"using {chosen} instead" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["web", "0", "65536", "-1"])
def test_nonsense_ports_are_refused(port: str) -> None:
    with pytest.raises(EmbeddedError, match="not a port number"):
        port_choose(port)


def test_a_second_run_says_where_the_first_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHHUB_STATE_DIR", str(tmp_path))
    (tmp_path / "run.url").write_text("http://127.0.0.1:8123")
    first = Lock(tmp_path / "run.lock")
    first.take()
    with pytest.raises(EmbeddedError, match=r"Already running in this folder, at http://127\.0\.0\.1:8123"):
        run()
    first.close()
