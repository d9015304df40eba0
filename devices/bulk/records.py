"""Split a file into records, as a whole or as it arrives, in bounded memory: a record longer than MAX_RECORD is cut off
and recognised by its length.

NDJSON: a record is a line. CSV (RFC 4180): a record ends at a line end outside quotes. Blank lines are not records, and
must be very cheap: a few kilobytes of gzip unpack to millions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

MAX_RECORD = 64 * 1024
BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"(?:[ \t\r\f\v]{0,%d}+\n)*+" % MAX_RECORD)


@dataclass(frozen=True, slots=True)
class Record:
    """`line`: the line of the file on which it starts, from 1. `raw`: without the line end."""

    line: int
    raw: bytes = field(repr=False)

    @property
    def too_long(self) -> bool:
        return len(self.raw) > MAX_RECORD


class _At(Enum):
    FIELD = "the beginning of a field"
    PLAIN = "within a field that no quote began, or behind one that a quote has ended"
    QUOTED = "within quotes"
    QUOTE = "behind a quote within quotes: another one makes it a character, anything else a closing quote"


# What can be passed at once without a change of state: complete fields, each with its comma; the rest of a field.
_RUNS = {
    _At.FIELD: re.compile(rb'(?:(?:"[^"]*+(?:""[^"]*+)*+"[^,\n]*+|[^",\n][^,\n]*+)?+,)*+'),
    _At.PLAIN: re.compile(rb"[^,\n]*+"),
    _At.QUOTED: re.compile(rb'[^"]*+(?:""[^"]*+)*+'),
    _At.QUOTE: re.compile(rb""),
}


@dataclass(slots=True)
class RowEnds:
    """Finds the ends of rows: line ends outside quotes. A quote counts only at the start of a field, so that a single
    quote, as in `5"`, breaks no other row. Python's csv does the same."""

    _at: _At = _At.FIELD

    def find(self, block: bytes, start: int) -> int:
        """The position of the line end of the row at `start`, or -1 if it is in a later block."""
        while (start := _past(_RUNS[self._at], block, start)) < len(block):
            byte = block[start : start + 1]
            if self._at is _At.PLAIN:
                self._at = _At.FIELD
                if byte == b"\n":
                    return start
            elif byte == b'"':
                self._at = _At.QUOTE if self._at is _At.QUOTED else _At.QUOTED
            else:
                self._at = _At.PLAIN
                continue
            start += 1
        return -1


def _past(pattern: re.Pattern[bytes], block: bytes, start: int) -> int:
    found = pattern.match(block, start)
    return found.end() if found else start


@dataclass(slots=True)
class RecordSplitter:
    """Takes blocks, yields records. Keeps at most one unfinished record of MAX_RECORD + 1 bytes.

    `line`: the line after the record that was yielded last."""

    quoted: bool = False  # CSV: line ends within quotes belong to the record
    line: int = 1
    _open: bytearray = field(default_factory=bytearray, repr=False)
    _open_lines: int = 0  # line ends inside the unfinished record
    _rows: RowEnds = field(default_factory=RowEnds)

    def feed(self, block: bytes) -> Iterator[Record]:
        start = self._blank_skip(block, 0)
        while (end := self._end(block, start)) >= 0:
            self._append(block, start, end)
            if record := self._take():
                yield record
            start = self._blank_skip(block, end + 1)
        self._append(block, start, len(block))

    def end(self) -> Iterator[Record]:
        if record := self._take():
            yield record

    def _end(self, block: bytes, start: int) -> int:
        return self._rows.find(block, start) if self.quoted else block.find(b"\n", start)

    def _blank_skip(self, block: bytes, start: int) -> int:
        """Where the next record starts."""
        if self._open or not block[start : start + 1].isspace():
            return start
        end = _past(_BLANK_LINES, block, start)
        self.line += block.count(b"\n", start, end)
        return end

    def _append(self, block: bytes, start: int, end: int) -> None:
        capacity = MAX_RECORD + 1 - len(self._open)
        self._open += block[start : min(end, start + capacity)]
        self._open_lines += block.count(b"\n", start, end)

    def _take(self) -> Record | None:
        """None if it is blank."""
        raw = bytes(self._open)
        record = Record(self.line, (raw.removeprefix(BOM) if self.line == 1 else raw).removesuffix(b"\r"))
        self.line += 1 + self._open_lines
        self._open.clear()
        self._open_lines = 0
        return record if record.too_long or record.raw.strip() else None


def records_read(data: bytes, *, first_line: int, quoted: bool) -> Iterator[Record]:
    """The records of one stored chunk. Its line ends are LF, except those within quotes."""
    splitter = RecordSplitter(quoted=quoted, line=first_line)
    yield from splitter.feed(data)
    yield from splitter.end()
