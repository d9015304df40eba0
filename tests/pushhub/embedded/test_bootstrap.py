from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pushhub.embedded.account import EmbeddedError
from pushhub.embedded.bootstrap import DEFAULT_PORT, port_choose, run
from pushhub.embedded.ports import port_of, port_reserve
from pushhub.embedded.state import Lock


def test_an_explicit_port_that_is_taken_is_refused_with_a_remedy() -> None:
    with port_reserve() as taken, pytest.raises(EmbeddedError, match="PORT=8001 make run"):
        port_choose(str(port_of(taken)))


def test_a_taken_default_port_is_replaced_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # another process has it already, which is enough
            stack.enter_context(port_reserve(DEFAULT_PORT))
        chosen = port_of(stack.enter_context(port_choose("")))
    assert chosen > DEFAULT_PORT
    assert f"using {chosen} instead" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["web", "0", "65536", "-1"])
def test_an_invalid_port_is_refused(port: str) -> None:
    with pytest.raises(EmbeddedError, match="not a port number"):
        port_choose(port)


def test_a_second_run_names_the_address_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHHUB_STATE_DIR", str(tmp_path))
    (tmp_path / "run.url").write_text("http://127.0.0.1:8123")
    first = Lock(tmp_path / "run.lock")
    first.take()
    with pytest.raises(EmbeddedError, match=r"Already running in this folder, at http://127\.0\.0\.1:8123"):
        run()
    first.close()
