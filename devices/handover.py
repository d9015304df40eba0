"""How a device changes hands without a gap: nobody sends on the strength of an old look at its mapping.

Whoever sends looks the mapping up and may believe it for BELIEVED_SECONDS, measured from before the look-up; what is
not submitted by then is looked up again. Whoever changes a mapping answers only after that time has passed since the
commit. So when the answer leaves, no payload for the user before is encrypted and submitted any more.
"""

from typing import Final

from django.db import connection, transaction

from pushhub.http.patience import answer_after

BELIEVED_SECONDS: Final = 0.1  # a loaded machine needs most of it; only a change of user ever waits for it


def handover_finish() -> None:
    """After the commit of the transaction that changes a mapping, wait out the senders' belief; once, however many
    devices change hands in it."""
    if all(hook[1] is not _wait for hook in connection.run_on_commit):
        transaction.on_commit(_wait)


def _wait() -> None:
    answer_after(BELIEVED_SECONDS)
