"""aiobotocore `publish`, 32 at once over one client."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from workload import workload_run


def prepare(workload: dict[str, Any]) -> Callable[[int], None]:
    runner = asyncio.Runner()
    client = runner.run(client_make(workload))
    limit = asyncio.Semaphore(32)
    message = {"TargetArn": workload["endpoint_arn"], "Message": workload["sns_message"], "MessageStructure": "json"}

    async def one() -> None:
        async with limit:
            await client.publish(**message)

    async def send(count: int) -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    return lambda count: runner.run(send(count))


async def client_make(workload: dict[str, Any]) -> Any:
    made = get_session().create_client(
        "sns",
        region_name="us-east-1",
        endpoint_url=workload["url"] + "/sns/",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench",
        verify=workload["ca"],
        config=AioConfig(max_pool_connections=32),
    )
    return await made.__aenter__()


workload_run(prepare)
