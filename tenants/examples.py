"""The bodies shown in the OpenAPI description."""

from drf_spectacular.utils import OpenApiExample

USER_PUT = [
    OpenApiExample(
        "A profile",
        request_only=True,
        value={"attributes": {"plan": "pro"}, "locale": "pt-BR", "timezone": "America/Sao_Paulo"},
    )
]
USER_PATCH = [OpenApiExample("A new language", request_only=True, value={"locale": "en-GB"})]
TOKEN_POST = [OpenApiExample("Ten minutes", request_only=True, value={"ttl_seconds": 600})]
