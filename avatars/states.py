"""The states of an avatar, the workflow's steps, and the reasons that are shown to people.

`TRANSITIONS` lists every allowed change of state. The database has a constraint with the same states.
"""

from django.db.models import TextChoices


class AvatarState(TextChoices):
    AWAITING_UPLOAD = "awaiting_upload"  # the client has the form; no object has arrived
    UPLOADED = "uploaded"  # the object is in the store, unchecked
    MODERATING = "moderating"  # a normalised picture, which the workflow moderates or publishes
    IN_REVIEW = "in_review"  # a person decides
    APPROVED = "approved"  # published: the user's picture, until a newer one is approved
    REJECTED = "rejected"  # never shown, or taken down; the master is kept for the tenant's appeal period
    FAILED = "failed"  # a step failed too often: an internal error, or a vendor's; can be redriven
    SUPERSEDED = "superseded"  # a newer picture of the same user won
    EXPIRED = "expired"  # nothing was uploaded in time
    DELETED = "deleted"  # its objects are being deleted

    @property
    def is_open(self) -> bool:
        """The workflow or an upload can still change the state."""
        return self in OPEN


class WorkflowStep(TextChoices):
    """What the workflow does next. Each step is idempotent: a step that was done and not settled is done again."""

    NORMALISE = "normalise"  # fetch exactly the uploaded version, verify it by content, keep the normalised master
    MODERATE = "moderate"  # an engine labels the master
    DECIDE = "decide"  # the tenant's policy decides what the labels call for
    THUMBNAILS = "thumbnails"  # every variant from the master's pixels, into the public area
    PUBLISH = "publish"  # one transaction: the user's picture, the event, the push
    DONE = ""  # nothing to do


class Reason(TextChoices):
    """Why an avatar has its state, in addition to the faults of pictures (`ImageFault`, each with its own sentence)."""

    POLICY = "policy", "The picture is not allowed here. Choose another one."
    REVIEWER = "reviewer", "A reviewer decided."
    REVIEW_NEEDED = "review_needed", "A person will look at the picture. Nothing to do."
    UNJUDGED = "unjudged", "The picture could not be checked automatically. A person will look at it. Nothing to do."
    ENGINE_UNAVAILABLE = "engine_unavailable", "The check is not available at the moment. Nothing to do: it is retried."
    STEPS_EXHAUSTED = "steps_exhausted", "The picture could not be processed. Upload it again, or try another one."
    UPLOAD_MISSING = "upload_missing", "The upload is no longer there. Upload the picture again."
    UPLOAD_TOO_LARGE = "upload_too_large", "The file is too large. Upload a smaller one."
    UPLOAD_EXPIRED = "upload_expired", "Nothing was uploaded in time. Start a new upload."
    NEWER_AVATAR = "newer_avatar", "A newer picture took its place."
    APPEALED = "appealed", "A person will review the decision. Nothing to do."


S = AvatarState

OPEN = frozenset({S.AWAITING_UPLOAD, S.UPLOADED, S.MODERATING})

TRANSITIONS: dict[AvatarState, frozenset[AvatarState]] = {
    S.AWAITING_UPLOAD: frozenset({S.UPLOADED, S.EXPIRED, S.DELETED}),
    S.UPLOADED: frozenset({S.MODERATING, S.REJECTED, S.FAILED, S.SUPERSEDED, S.DELETED}),
    S.MODERATING: frozenset({S.APPROVED, S.REJECTED, S.IN_REVIEW, S.FAILED, S.SUPERSEDED, S.DELETED}),
    # A person's approval goes back through thumbnails and publish.
    S.IN_REVIEW: frozenset({S.MODERATING, S.REJECTED, S.SUPERSEDED, S.DELETED}),
    # Taken down by a person, or because the policy changed.
    S.APPROVED: frozenset({S.REJECTED, S.IN_REVIEW, S.SUPERSEDED, S.DELETED}),
    # While the master is kept: an appeal leads to a review, and a reviewer's approval to the thumbnails.
    S.REJECTED: frozenset({S.IN_REVIEW, S.MODERATING, S.DELETED}),
    S.FAILED: frozenset({S.UPLOADED, S.MODERATING, S.SUPERSEDED, S.DELETED}),
    S.SUPERSEDED: frozenset({S.DELETED}),
    S.EXPIRED: frozenset({S.DELETED}),
    S.DELETED: frozenset(),
}


def can_follow(state: str, following: str) -> bool:
    return AvatarState(following) in TRANSITIONS[AvatarState(state)]
