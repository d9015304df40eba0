"""aiobotocore `publish`, 32 at once over one client."""

import asyncio
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from job import job_run


async def send_all(job: dict[str, Any]) -> None:
    limit = asyncio.Semaphore(32)
    made = get_session().create_client(
        "sns",
        region_name="us-east-1",
        endpoint_url=job["url"] + "/sns/",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench",
        verify=job["ca"],
        config=AioConfig(max_pool_connections=32),
    )
    async with made as client:

        async def one() -> None:
            async with limit:
                await client.publish(TargetArn=job["endpoint_arn"], Message=job["sns_message"], MessageStructure="json")

        await asyncio.gather(*(one() for _ in range(job["count"])))


job_run(lambda job: asyncio.run(send_all(job)))
