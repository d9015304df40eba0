"""Write avatars: uploads, the decisions of the workflow and of people, deletion."""

from avatars.services.decisions import avatar_appeal, avatar_decide, avatar_delete, avatar_redrive
from avatars.services.uploads import avatar_complete, avatar_create, upload_observed

__all__ = [
    "avatar_appeal",
    "avatar_complete",
    "avatar_create",
    "avatar_decide",
    "avatar_delete",
    "avatar_redrive",
    "upload_observed",
]
