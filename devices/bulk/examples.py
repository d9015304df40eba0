"""The files and bodies shown in the OpenAPI description."""

from drf_spectacular.utils import OpenApiExample

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
