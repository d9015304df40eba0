"""The example files and bodies of the OpenAPI document."""

import json
from typing import Any

from drf_spectacular.utils import OpenApiExample

from devices.api.examples import DEVICE, MOMENT
from pushhub.http.openapi import page_of

NDJSON = (
    '{"device_id":"7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11","platform":"ios","app":"acme-ios","token":"'
    + "0f" * 32
    + '","user_id":"alice","tags":["beta"]}\n'
)
CSV = (
    "device_id,platform,app,token,user_id,tags,attributes.plan\r\n"
    f"7c0e8a52-55ce-4f7e-9a0b-0d6c1d9d2f11,ios,acme-ios,{'0f' * 32},alice,beta|tester,pro\r\n"
)
IMPORTS = [
    OpenApiExample("A line", request_only=True, media_type="application/x-ndjson", value=NDJSON),
    OpenApiExample("A table", request_only=True, media_type="text/csv", value=CSV),
]
EXPORTS = [
    OpenApiExample("Everything, without tokens", request_only=True, value={}),
    OpenApiExample("To be imported elsewhere", request_only=True, value={"secrets": True, "platform": "web"}),
]

NOTHING_YET = dict.fromkeys(("done", "created", "updated", "unchanged", "skipped", "failed"), 0) | {"total": None}
IMPORT_TAKEN: dict[str, Any] = {
    "id": "0199c0de-8000-7f21-a5b4-9d8c7b6a5f4e",
    "kind": "import",
    "format": "ndjson",
    "state": "queued",
    "reason": "",
    "progress": NOTHING_YET | {"total": 20_000},
    "created_at": MOMENT,
    "started_at": None,
    "finished_at": None,
    "expires_at": None,
}
EXPORT_TAKEN = IMPORT_TAKEN | {"kind": "export", "progress": NOTHING_YET}
RUNNING = IMPORT_TAKEN | {
    "state": "running",
    "progress": NOTHING_YET | {"total": 20_000, "done": 12_000, "created": 11_990, "updated": 8, "failed": 2},
    "started_at": MOMENT,
}
CANCELLED = RUNNING | {"state": "cancelled", "finished_at": MOMENT}
JOBS = page_of(RUNNING, EXPORT_TAKEN)
ERRORS = page_of({"line": 17, "code": "invalid", "detail": "Not a known platform.", "pointer": "/platform"})
RESULT = OpenApiExample("A line", response_only=True, value=json.dumps(DEVICE, separators=(",", ":")) + "\n")
