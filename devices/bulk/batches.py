"""Read an import's file in batches: while the database writes one batch, a thread reads the next."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from devices.bulk.lines import Item, LineReader
from devices.bulk.models import Job
from devices.bulk.records import Record, records_read
from devices.bulk.sealing import chunk_open
from devices.bulk.selectors import chunk_find

BATCH = 250  # batches of 1,000 delay other statements noticeably, and cost the same for each line


@dataclass(frozen=True, slots=True)
class Batch:
    """`last`: the last batch of its chunk, which may be empty."""

    chunk: int
    records: list[Record]
    last: bool


def batches_read(job: Job, reader: LineReader) -> Iterator[tuple[Batch, list[Item]]]:
    """From the job's cursor to the end of the file. Raises SealBroken."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        before: tuple[Batch, Future[list[Item | None]]] | None = None
        for batch in _batches(job):
            for record in batch.records[:1]:
                reader.read(record)  # looks its app and key up, which most lines have as well, so the thread knows them
            ahead = pool.submit(lambda records: [reader.read_ahead(record) for record in records], batch.records)
            if before:
                yield before[0], _read_rest(reader, *before)
            before = batch, ahead
        if before:
            yield before[0], _read_rest(reader, *before)


def _read_rest(reader: LineReader, batch: Batch, ahead: Future[list[Item | None]]) -> list[Item]:
    """The lines that were read ahead, and those that needed the database."""
    return [item or reader.read(record) for item, record in zip(ahead.result(), batch.records, strict=True)]


def _batches(job: Job) -> Iterator[Batch]:
    number, done = job.chunk, job.record
    while chunk := chunk_find(tenant=job.tenant, job=job, number=number):
        data = chunk_open(bytes(chunk.data_sealed))
        records = records_read(data, first_line=chunk.first_line, quoted=job.format == Job.Format.CSV)
        rest = islice(records, done, None)
        batch, following = list(islice(rest, BATCH)), list(islice(rest, BATCH))
        while following:
            yield Batch(number, batch, last=False)
            batch, following = following, list(islice(rest, BATCH))
        yield Batch(number, batch, last=True)
        number, done = number + 1, 0
