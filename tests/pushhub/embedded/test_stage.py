from __future__ import annotations

import json
import os
import urllib.request

from pushhub.embedded.process import wait_until
from pushhub.embedded.programs import web_responds
from pushhub.embedded.stage import Stage


def test_the_server_key_of_the_service_is_valid(service: Stage) -> None:
    headers = {"Authorization": f"Bearer {service.server_key}"}
    request = urllib.request.Request(f"{service.url}/v1/webpush/config", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        assert json.load(response)["application_server_key"]


def test_the_web_process_can_be_started_again_after_kill_nine(service: Stage) -> None:
    service.kill("web")
    assert not web_responds(service.url)
    service.start("web")
    assert wait_until(lambda: web_responds(service.url), seconds=30, every=0.1)


def test_the_worker_for_avatars_has_a_lower_priority(service: Stage) -> None:
    niceness = {
        name: os.getpriority(os.PRIO_PROCESS, service.children[name].pid) for name in ("web", "dispatch", "avatars")
    }
    assert niceness["avatars"] - niceness["dispatch"] == min(10, 19 - niceness["dispatch"])
    assert niceness["web"] == niceness["dispatch"]
