"""A file cut into records, whole or as it streams in. Bounded: a record longer than MAX_RECORD is cut off, and told
apart by its length.

NDJSON: a record is a line. CSV (RFC 4180): a record ends at a line end outside quotes. Blank lines are none, and cost
next to nothing: a few kilobytes of gzip unpack to millions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class RecordSplitter:
    """Feed blocks, take records. Keeps at most one unfinished record of MAX_RECORD + 1 bytes.

    `line` is the line that follows the record just taken."""

    quoted: bool = False  # CSV: line ends within quotes belong to the record
    line: int = 1
    _open: bytearray = field(default_factory=bytearray, repr=False)
    _open_lines: int = 0  # line ends inside the unfinished record
    _in_quotes: bool = False

    def feed(self, block: bytes) -> Iterator[Record]:
        start = self._blank_skip(block, 0)
        while (end := block.find(b"\n", start)) >= 0:
            self._append(block[start:end])
            start = end + 1
            if self._in_quotes:
                self._append(b"\n")
                self._open_lines += 1
            else:
                if record := self._take():
                    yield record
                start = self._blank_skip(block, start)
        self._append(block[start:])

    def end(self) -> Iterator[Record]:
        if record := self._take():
            yield record

    def _blank_skip(self, block: bytes, start: int) -> int:
        """Where the next record begins."""
        if self._open or not block[start : start + 1].isspace() or not (blank := _BLANK_LINES.match(block, start)):
            return start
        self.line += block.count(b"\n", start, blank.end())
        return blank.end()

    def _append(self, part: bytes) -> None:
        if self.quoted and part.count(b'"') % 2:
            self._in_quotes = not self._in_quotes
        self._open += part[: MAX_RECORD + 1 - len(self._open)]

    def _take(self) -> Record | None:
        """None if it is blank."""
        raw = bytes(self._open)
        record = Record(self.line, (raw.removeprefix(BOM) if self.line == 1 else raw).removesuffix(b"\r"))
        self.line += 1 + self._open_lines
        self._open.clear()
        self._open_lines = 0
        self._in_quotes = False
        return record if record.too_long or record.raw.strip() else None


def records_read(data: bytes, *, first_line: int, quoted: bool) -> Iterator[Record]:
    """The records of one stored chunk. Its line ends are LF, but for those within quotes."""
    splitter = RecordSplitter(quoted=quoted, line=first_line)
    yield from splitter.feed(data)
    yield from splitter.end()
