"""The storage and the moderation of avatars, and the time limits of their workflow (docs/avatars.md)."""

import os
from pathlib import Path

from pushhub.kernel.env import EnvironmentInvalid, env_int, env_list, env_str

# local: files on this machine, shared by web and workers. s3: any S3 endpoint, with boto3's credentials chain.
AVATAR_STORAGE = env_str("AVATAR_STORAGE", "local")
if AVATAR_STORAGE not in {"local", "s3"}:
    raise EnvironmentInvalid("AVATAR_STORAGE must be local or s3.")

AVATAR_LOCAL_DIR = Path(
    env_str("AVATAR_LOCAL_DIR", "")
    or Path(os.environ.get("PUSHHUB_STATE_DIR") or Path(__file__).resolve().parents[2] / ".pushhub") / "objects"
)

# One private bucket. The CDN reads only its prefix `public/`.
AVATAR_S3_BUCKET = env_str("AVATAR_S3_BUCKET", "")
AVATAR_S3_REGION = env_str("AVATAR_S3_REGION", "us-east-1")
AVATAR_S3_ENDPOINT_URL = env_str("AVATAR_S3_ENDPOINT_URL", "") or None
AVATAR_S3_TOPIC_ARNS = env_list("AVATAR_S3_TOPIC_ARNS")
AVATAR_SQS_QUEUE_URL = env_str("AVATAR_SQS_QUEUE_URL", "")
if AVATAR_STORAGE == "s3" and not AVATAR_S3_BUCKET:
    raise EnvironmentInvalid("AVATAR_STORAGE=s3 needs AVATAR_S3_BUCKET, the private bucket of uploads and pictures.")

# The prefix of the addresses of public objects, for tenants without their own CDN. The local store serves /avatars.
AVATAR_PUBLIC_BASE_URL = env_str("AVATAR_PUBLIC_BASE_URL", "/avatars" if AVATAR_STORAGE == "local" else "").rstrip("/")
if not AVATAR_PUBLIC_BASE_URL:
    raise EnvironmentInvalid(
        "AVATAR_STORAGE=s3 needs AVATAR_PUBLIC_BASE_URL, the CDN in front of the bucket's public/."
    )

# Empty: local if its models are installed, otherwise a person reviews every picture. stub is for tests (pushhub.E005).
AVATAR_ENGINE = env_str("AVATAR_ENGINE", "")
if AVATAR_ENGINE not in {"", "local", "rekognition", "stub"}:
    raise EnvironmentInvalid("AVATAR_ENGINE must be local, rekognition or stub.")
AVATAR_REKOGNITION_REGION = env_str("AVATAR_REKOGNITION_REGION", "") or AVATAR_S3_REGION
AVATAR_REKOGNITION_FLOW_ARN = env_str("AVATAR_REKOGNITION_FLOW_ARN", "")
AVATAR_REKOGNITION_PROJECT_VERSION = env_str("AVATAR_REKOGNITION_PROJECT_VERSION", "")
AVATAR_UPLOAD_SECONDS = env_int("AVATAR_UPLOAD_SECONDS", default=900)
# Longer than one step: fetching, decoding, an engine's response and its retries.
AVATAR_LEASE_SECONDS = env_int("AVATAR_LEASE_SECONDS", default=120)
