"""The demo's second part: three users upload a picture. Each gets another decision, and a push that reports it.

The stand-in for Rekognition labels pictures by their colour: green has no label, red is explicit, yellow needs review.
"""

import asyncio
import io
import time
import uuid
from typing import Any
from urllib.parse import urljoin

import aiohttp
from PIL import Image, ImageDraw

from sandbox.demo_client import Api, DemoFailed, Progress

WAIT_SECONDS = 90
# Colour of the picture → the state it must end in.
PICTURES = {"#20c020": "approved", "#e01010": "rejected", "#e0d010": "in_review"}


class AvatarsDemo:
    def __init__(self, api: Api, sandbox: Api, progress: Progress) -> None:
        self.api = api
        self.sandbox = sandbox
        self.progress = progress

    async def run(self) -> bool:
        """Whether each picture got the expected state and its owner's browser decrypted one push about it."""
        key = (await self.api.call("GET", "/v1/webpush/config"))["application_server_key"]
        work = [self._one(colour, wanted, key) for colour, wanted in PICTURES.items()]
        rows = await self.progress.gather("Moderating avatars", work)
        print(f"\n{'avatar':<12}{'decided':<12}{'after s':>9}  reported by push")
        for wanted, state, seconds, titles in rows:
            print(f"{wanted:<12}{state:<12}{seconds:>9.1f}  {', '.join(titles) or 'nothing'}")
        ok = all(wanted == state and len(titles) == 1 for wanted, state, _, titles in rows)
        print(
            "every avatar was moderated and reported to its owner, exactly once"
            if ok
            else "NOT every avatar was moderated and reported"
        )
        return ok

    async def _one(self, colour: str, wanted: str, key: str) -> tuple[str, str, float, list[str]]:
        user = f"avatar-user-{uuid.uuid4().hex[:8]}"
        options = {"application_server_key": key, "user": user}
        subscription = (await self.sandbox.call("POST", "/sandbox/devices/web", options))["subscriptions"][0]
        body = {"platform": "web", "subscription": subscription, "user_id": user}
        await self.api.call("PUT", f"/v1/devices/{uuid.uuid4()}", body)
        avatar = await self.api.call("POST", "/v1/avatars", {"user_id": user, "content_type": "image/png"})
        started = time.monotonic()
        await self._upload(avatar["upload"], _picture(colour))
        state = await self._decided(avatar["id"])
        seconds = time.monotonic() - started
        return wanted, state, seconds, await self._titles(user)

    async def _upload(self, form: dict[str, Any], picture: bytes) -> None:
        data = aiohttp.FormData(form["fields"])
        data.add_field("file", picture, filename="me.png", content_type="image/png")
        url = urljoin(self.api.base, form["url"])
        async with aiohttp.ClientSession() as session, session.post(url, data=data) as response:
            if response.status >= 400:
                raise DemoFailed(f"the upload answered {response.status}: {(await response.text())[:300]}")

    async def _decided(self, avatar: str) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            state = str((await self.api.call("GET", f"/v1/avatars/{avatar}"))["state"])
            if state in {"approved", "rejected", "in_review", "failed"} or time.monotonic() > deadline:
                return state
            await asyncio.sleep(0.3)

    async def _titles(self, user: str) -> list[str]:
        """The titles that the user's browser decrypted. Waits for the first one."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            messages = (await self.sandbox.call("GET", f"/sandbox/messages?user={user}"))["messages"]
            if messages or time.monotonic() > deadline:
                return [message["payload"]["notification"]["title"] for message in messages]
            await asyncio.sleep(0.2)


def _picture(colour: str) -> bytes:
    """320 × 320 pixels of one colour with a drawn face."""
    image = Image.new("RGB", (320, 320), colour)
    draw = ImageDraw.Draw(image)
    for box in ((110, 120, 130, 140), (190, 120, 210, 140)):
        draw.ellipse(box, fill="black")
    draw.arc((110, 150, 210, 220), 20, 160, fill="black", width=6)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
