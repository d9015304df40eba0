"""boto3 `publish` in eight threads over one client, with eight pooled connections."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from workload import workload_run


def prepare(workload: dict[str, Any]) -> Callable[[int], object]:
    client = boto3.client(
        "sns",
        region_name="us-east-1",
        endpoint_url=workload["url"] + "/sns/",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench",
        verify=workload["ca"],
        config=Config(max_pool_connections=8),
    )
    pool = ThreadPoolExecutor(8)
    message = {"TargetArn": workload["endpoint_arn"], "Message": workload["sns_message"], "MessageStructure": "json"}
    return lambda count: list(pool.map(lambda _: client.publish(**message), range(count)))


workload_run(prepare)
