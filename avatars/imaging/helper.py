"""This process's decoder process: started on first use, given one picture at a time, replaced when it dies or hangs."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("decoder.py")
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 10
WALL_SECONDS = 30.0
START_SECONDS = 30.0
# Decoders leak memory; a new process costs 0.15 s.
PICTURES_PER_PROCESS = 500


class DecoderDied(Exception):
    """The decoder crashed, ran out of CPU time or did not respond in time; the text says which."""


class DecoderUnavailable(RuntimeError):
    """The decoder does not start: the picture is not the cause."""


class Helper:
    def __init__(self, *, memory: int = MEMORY_BYTES, wall_seconds: float = WALL_SECONDS) -> None:
        self._memory = memory
        self._wall_seconds = wall_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._asked = 0

    def ask(self, header: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The decoder's response. Raises DecoderDied and DecoderUnavailable; the next call gets a new process."""
        text = json.dumps({**header, "cpu_seconds": CPU_SECONDS}).encode()
        with self._lock:
            process = self._running()
            try:
                return self._exchange(process, text, data)
            except DecoderDied:
                # An old process may have died of another cause; only when a new one dies, this picture is the cause.
                if self._asked == 1:
                    raise
                return self._exchange(self._running(), text, data)

    def _exchange(self, process: subprocess.Popen[bytes], text: bytes, data: bytes) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + self._wall_seconds
        try:
            _write(process, struct.pack(">II", len(text), len(data)) + text, data, deadline)
            of_header, of_body = struct.unpack(">II", _read(process, 8, deadline))
            return json.loads(_read(process, of_header, deadline)), _read(process, of_body, deadline)
        except (OSError, EOFError) as error:
            self._stop()
            raise DecoderDied(f"{type(error).__name__}, exit code {process.returncode}") from None
        except BaseException:
            # A task's time limit can interrupt a frame: the pipe cannot be used any more.
            self._stop()
            raise

    def close(self) -> None:
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def _running(self) -> subprocess.Popen[bytes]:
        # After a fork the decoder belongs to the parent: two callers on one pipe would read each other's pictures.
        if self._owner != os.getpid():
            self._process, self._owner = None, os.getpid()
        if self._process is not None and (self._asked >= PICTURES_PER_PROCESS or self._process.poll() is not None):
            self._stop()
        if self._process is None:
            self._process, self._asked = _start(self._memory), 0
        self._asked += 1
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


def _start(memory: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", str(SCRIPT), str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"MALLOC_ARENA_MAX": "1"},
        cwd="/",
        bufsize=0,
        process_group=0,  # Ctrl-C reaches only the worker; a separate session would get the same share of CPU as it
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
    try:
        _read(process, 1, time.monotonic() + START_SECONDS)
    except (OSError, EOFError):
        process.kill()
        raise DecoderUnavailable(f"the decoder does not start (exit code {process.wait()})") from None
    return process


def _write(process: subprocess.Popen[bytes], head: bytes, data: bytes, deadline: float) -> None:
    assert process.stdin is not None
    descriptor = process.stdin.fileno()
    for part in (memoryview(head), memoryview(data)):
        while part:
            _wait(descriptor, select.POLLOUT, deadline)
            part = part[os.write(descriptor, part) :]


def _read(process: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
    assert process.stdout is not None
    descriptor, found = process.stdout.fileno(), bytearray()
    while len(found) < count:
        _wait(descriptor, select.POLLIN, deadline)
        part = os.read(descriptor, count - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
