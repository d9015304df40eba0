"""The README's five minutes, run as a new user types them."""

import os
import re
import subprocess
from pathlib import Path

from pushhub.embedded.stage import Stage

# Other tests run at the same time, so the page's two seconds may be too short here.
WAIT = """for try in $(seq 300); do
  say $API/v1/notifications/$ID | grep -q '"state":"completed"' && break; sleep 0.2
done"""
README = Path(__file__).resolve().parents[2] / "README.md"


def tour() -> str:
    text = README.read_text("utf-8")
    section = text[text.index("## Five minutes") : text.index("## Other environments")]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    typed = "\n".join(["set -eu", *blocks])
    typed = typed.replace(next(re.finditer(r"^API=.*$", blocks[0], re.MULTILINE))[0], "")
    assert typed.count("\nsleep 2\n") == 1
    return typed.replace("sleep 2", WAIT)


def test_the_five_minutes_end_with_delivered(service: Stage) -> None:
    printed = {"API": service.url, "SANDBOX": service.sandbox_url, "KEY": service.server_key}
    done = subprocess.run(
        ["bash", "-c", tour()], env=os.environ | {"NO_PROXY": "*"} | printed, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert '"state":"completed"' in done.stdout
    assert '"state":"delivered"' in done.stdout.splitlines()[-1]
