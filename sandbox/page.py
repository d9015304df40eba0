"""The page at `/`: one static file without external assets. It uses the control API like any other client."""

from pathlib import Path

from aiohttp import web

_PAGE = Path(__file__).with_name("page.html")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


def routes() -> list[web.RouteDef]:
    return [web.get("/", _show)]


async def _show(_request: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return web.Response(text=_PAGE.read_text("utf-8"), content_type="text/html", headers=headers)
