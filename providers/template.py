"""One message, rendered once for all of its devices; what differs between them is filled in afterwards.

The message is rendered with marks in place of the ids and the address, and cut at the marks. Filling the pieces in
costs 1 µs a device; rendering costs 6 µs for web push and 30 µs for SNS.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from providers.types import Push

# Mapping id, delivery id, receipt, address. Random: no message from outside this process can contain them.
_MARKS: Final = tuple(token_hex(16) for _ in range(4))
_MARK: Final = re.compile("|".join(_MARKS).encode())


@dataclass(frozen=True, slots=True)
class Template:
    """`head`, then alternately one of the values (by its index) and a piece. Valid for this `variant` only."""

    variant: Hashable
    head: bytes
    rest: tuple[tuple[int, bytes], ...]


def fill(
    push: Push, *, name: str, make: Callable[[Push], bytes], variant: Hashable = None, address: bytes = b""
) -> bytes:
    """`make(push)`, from the template kept with the message under `name`.

    `address` replaces the mark that `make` found in `push.endpoint` (Endpoint.at), escaped as the request needs it.
    `variant` is what else `make` reads of a push, besides its message and ids; the last one is kept.
    """
    wanted = (bool(push.receipt), variant)
    template = push.message.rendered.get(name)
    if template is None or template.variant != wanted:
        template = push.message.rendered[name] = _template(push, make, wanted)
    values = (push.mapping_id.encode(), push.delivery_id.encode(), push.receipt.encode(), address)
    parts = [template.head]
    for index, piece in template.rest:
        parts += (values[index], piece)
    return b"".join(parts)


def _template(push: Push, make: Callable[[Push], bytes], variant: Hashable) -> Template:
    mapping, delivery, receipt, address = _MARKS
    marked = replace(
        push,
        mapping_id=mapping,
        delivery_id=delivery,
        receipt=receipt if push.receipt else "",
        endpoint=push.endpoint.at(address),
    )
    text = make(marked)
    found = [_MARKS.index(mark.decode()) for mark in _MARK.findall(text)]
    head, *pieces = _MARK.split(text)
    return Template(variant, head, tuple(zip(found, pieces, strict=True)))
