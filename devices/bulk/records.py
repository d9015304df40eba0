"""A file cut into records, whole or as it streams in. Bounded: a record longer than MAX_RECORD is cut off, and told
apart by its length.

NDJSON: a record is a line. CSV (RFC 4180): a record ends at a line end outside quotes. Blank lines are none, and cost
next to nothing: a few kilobytes of gzip unpack to millions.
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
    """`line` is the line of the file it begins on, from 1; `raw` is without its line end."""

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


# What is passed in one go without leaving the state: whole fields, each with the comma behind it; the rest of a field.
_RUNS = {
    _At.FIELD: re.compile(rb'(?:(?:"[^"]*+(?:""[^"]*+)*+"[^,\n]*+|[^",\n][^,\n]*+)?+,)*+'),
    _At.PLAIN: re.compile(rb"[^,\n]*+"),
    _At.QUOTED: re.compile(rb'[^"]*+(?:""[^"]*+)*+'),
    _At.QUOTE: re.compile(rb""),
}


@dataclass(slots=True)
class RowEnds:
    """Where rows end: at the line ends outside quotes. Quotes count only where one begins the field, so that a stray
    one, as in `5"`, costs no other row. Agrees with Python's csv on it."""

    _at: _At = _At.FIELD

    def find(self, block: bytes, start: int) -> int:
        """The line end of the row that `start` is in, or -1 if a following block has it."""
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
    """Feed blocks, take records. Keeps at most one unfinished record of MAX_RECORD + 1 bytes.

    `line` is the line that follows the record just taken."""

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
        """Where the next record begins."""
        if self._open or not block[start : start + 1].isspace():
            return start
        end = _past(_BLANK_LINES, block, start)
        self.line += block.count(b"\n", start, end)
        return end

    def _append(self, block: bytes, start: int, end: int) -> None:
        room = MAX_RECORD + 1 - len(self._open)
        self._open += block[start : min(end, start + room)]
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
    """The records of one stored chunk. Its line ends are LF, but for those within quotes."""
    splitter = RecordSplitter(quoted=quoted, line=first_line)
    yield from splitter.feed(data)
    yield from splitter.end()
