"""boto3 `publish` in eight threads over one client, the pool as large."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from job import job_run


def prepare(job: dict[str, Any]) -> Callable[[int], object]:
    client = boto3.client(
        "sns",
        region_name="us-east-1",
        endpoint_url=job["url"] + "/sns/",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench",
        verify=job["ca"],
        config=Config(max_pool_connections=8),
    )
    pool = ThreadPoolExecutor(8)
    message = {"TargetArn": job["endpoint_arn"], "Message": job["sns_message"], "MessageStructure": "json"}
    return lambda count: list(pool.map(lambda _: client.publish(**message), range(count)))


job_run(prepare)
