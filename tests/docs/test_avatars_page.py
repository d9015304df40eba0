"""The upload of the avatars page, run as a new user types it."""

import os
import re
import subprocess
from pathlib import Path

from pushhub.embedded.stage import Stage
from tests.avatars.imaging.builders import encoded

CHECKOUT = Path(__file__).resolve().parents[2]
# Other tests run at the same time, so the page's five seconds may be too short here.
WAIT = """for try in $(seq 300); do
  say "$API/v1/avatars?user_id=carol" | grep -q '"state":"approved"' && break; sleep 0.2
done;"""


def tour() -> str:
    """`say` as defined in the README, then the lines of the page."""
    [say] = re.findall(r"^say\(\) .*$", (CHECKOUT / "README.md").read_text("utf-8"), re.MULTILINE)
    page = (CHECKOUT / "docs" / "avatars.md").read_text("utf-8")
    section = page[page.index("## Try it") : page.index("## States")]
    [block] = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert block.count("sleep 5;") == 1
    return "\n".join(["set -eu", say, block.replace("sleep 5;", WAIT)])


def test_the_upload_becomes_carols_picture(service: Stage, tmp_path: Path) -> None:
    (tmp_path / "me.jpg").write_bytes(encoded("JPEG"))
    printed = {"API": service.url, "KEY": service.server_key}
    done = subprocess.run(
        ["bash", "-c", tour()], env=os.environ | printed, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "204" in done.stdout.splitlines()
    assert '.webp"' in done.stdout.splitlines()[-1]
