"""The embedded store: files in one folder, for the web processes and workers of one machine. A bucket without versions.

A file appears complete or not at all (written to a temporary file, then renamed). Its ETag is the SHA-256 of its
content.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from typing_extensions import override

from avatars.storage.base import ObjectInfo, ObjectMissing, ObjectTooLarge, Storage, StorageRetry, UploadForm
from avatars.storage.form_policy import form_sign

UPLOAD_PATH = "/avatars/upload"
BUCKET = "local"
LEFTOVER_SECONDS = 86_400  # far longer than any upload may take
# pushhub makes the keys; this check keeps a forged key away from the rest of the disk.
KEY = re.compile(r"(uploads|masters|public)(/[A-Za-z0-9][A-Za-z0-9_-]*){2}/[A-Za-z0-9][A-Za-z0-9_-]*(\.[a-z]{2,5})?")


class LocalStorage(Storage):
    name = "local"

    def __init__(self, root: Path) -> None:
        self.bucket = BUCKET
        self._root = root
        self._tmp = root / "tmp"  # files that are being written

    @override
    def upload_form(self, *, key: str, content_type: str, max_bytes: int, expires_at: datetime) -> UploadForm:
        fields = form_sign(
            bucket=self.bucket, key=key, content_type=content_type, max_bytes=max_bytes, expires_at=expires_at
        )
        return UploadForm(url=UPLOAD_PATH, fields=fields)

    @override
    def stat(self, key: str) -> ObjectInfo | None:
        try:
            with _disk(), self.path(key).open("rb") as file:
                return ObjectInfo(size=os.fstat(file.fileno()).st_size, etag=_digest(file))
        except ObjectMissing:
            return None

    @override
    def get(self, key: str, *, max_bytes: int, version: str = "", etag: str = "") -> bytes:
        with _disk(), self.path(key).open("rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ObjectTooLarge
        if etag and hashlib.sha256(data).hexdigest() != etag:
            raise ObjectMissing("another content stands there now")
        return data

    @override
    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        with self.writing(key) as file:
            file.write(data)

    @override
    def delete(self, key: str) -> None:
        path = self.path(key)
        with contextlib.suppress(ObjectMissing), _disk():
            path.unlink()
        for folder in list(path.parents)[:2]:
            with contextlib.suppress(OSError):  # not empty, or removed already
                folder.rmdir()

    @override
    def leftovers_delete(self) -> None:
        before = time.time() - LEFTOVER_SECONDS
        with _disk():
            for path in self._tmp.glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[IO[bytes]]:
        """A file to write. It becomes the object when the block ends without an exception."""
        target = self.path(key)
        with _disk():
            self._tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._tmp, delete=False) as file:
                try:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                    self._move(Path(file.name), target)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise

    def path(self, key: str) -> Path:
        """Raises ObjectMissing for a key that pushhub does not make."""
        if not KEY.fullmatch(key):
            raise ObjectMissing("not a key of this store")
        return self._root / key

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        """Another process may remove the empty folder at the same time."""
        for _ in range(5):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                source.replace(target)
                return
        raise StorageRetry("folder")


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """A full or failing disk is a failure of the store, not of the picture."""
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing("no such object") from None
    except OSError as error:
        raise StorageRetry(error.strerror or "disk") from error
