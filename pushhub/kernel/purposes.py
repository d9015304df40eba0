"""Every purpose of a sealed value and of a keyed hash, as an explicit constant.

The string is part of what is stored: it is the associated data of a sealed value and the prefix of a keyed hash. With
another string, what is stored cannot be opened or found any more. So a string here never changes, whatever happens to
the name of the model, the column or the member. The strings look like names because they were derived from names once.
"""

from enum import StrEnum


class Purpose(StrEnum):
    # Sealed columns: `SealedField(purpose=…)`.
    APP_CREDENTIALS = "devices.app.credentials_sealed"
    CALLBACK_SUBSCRIBE_URL = "devices.callbackreceipt.subscribe_url_sealed"
    ENDPOINT = "devices.device.endpoint_sealed"
    IDEMPOTENT_RESPONSE = "tenants.idempotencyrecord.answer_sealed"
    IDENTITY_KEY = "tenants.identitykey.secret_sealed"
    JOB_CHUNK = "devices.jobchunk.data_sealed"
    S3_SUBSCRIBE_URL = "avatars.s3subscription.subscribe_url_sealed"
    VAPID_PRIVATE_KEY = "devices.vapidkey.private_key_sealed"
    # Keyed hashes.
    ENDPOINT_HASH = "devices.device.endpoint_hash"
    RECEIPT = "notifications.receipt"
    UPLOAD_POLICY = "avatars.upload.policy"
    # The start-up check that the keys work; nothing is stored under it.
    CHECK = "check"
