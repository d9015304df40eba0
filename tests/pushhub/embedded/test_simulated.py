from __future__ import annotations

from pathlib import Path

from pushhub.embedded.ports import port_of, port_reserve
from pushhub.embedded.simulated import sandbox_argv, sandbox_url


def test_the_sandbox_has_the_port_of_the_last_run(tmp_path: Path) -> None:
    assert sandbox_url(tmp_path) == sandbox_url(tmp_path)


def test_a_taken_port_is_replaced(tmp_path: Path) -> None:
    with port_reserve() as taken:
        (tmp_path / "sandbox.port").write_text(str(port_of(taken)))
        assert sandbox_url(tmp_path) != f"http://127.0.0.1:{port_of(taken)}"


def test_the_sandbox_is_started_on_its_port() -> None:
    assert sandbox_argv("http://127.0.0.1:8123")[-2:] == ["--port", "8123"]
