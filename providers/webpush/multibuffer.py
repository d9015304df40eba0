"""Eight key agreements at once, on processors with IFMA (Intel's servers since Ice Lake, AMD since Zen 4).

By crypto_mb of Intel's Cryptography Primitives Library (Apache-2.0, constant time; its `ec_nistp256.h` documents the
functions). Eight agreements cost as much as two of OpenSSL's, which computes them one by one.
"""

import ctypes
import os
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from threading import Lock
from typing import Final

LANES: Final = 8
_SIZE: Final = 32  # bytes of a coordinate, of a private key, of a secret
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve's group
_PRIME: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF.to_bytes(32, "big")  # of the field
_PLACES: Final = tuple(slice(lane * _SIZE, (lane + 1) * _SIZE) for lane in range(LANES))
_ECDHE_P256: Final = 5  # MBX_ALGO_ECDHE_NIST_P256 of its cpu_features.h
_NO_POINT: Final = bytes(65)
_LIBRARY: Final = "libcrypto_mb.so"
# Intel's compiler linked four libraries of which no function is used: 130 MB under another licence.
_UNUSED: Final = (b"libsvml.so", b"libirng.so", b"libimf.so", b"libintlc.so.5")
_USED: Final = b"libm.so.6"


class Lanes:
    """A value of _SIZE bytes for each lane, numbers in little-endian order, and the pointers to them."""

    def __init__(self) -> None:
        self.values = (ctypes.c_char * (LANES * _SIZE))()
        start = ctypes.addressof(self.values)
        self.pointers = (ctypes.c_void_p * LANES)(*range(start, start + LANES * _SIZE, _SIZE))

    def clear(self) -> None:
        ctypes.memset(self.values, 0, LANES * _SIZE)


class MultiBuffer:
    """Used by one thread at a time. Raises OSError or AttributeError: the processor or the library does not fit."""

    def __init__(self, path: Path) -> None:
        library = library_load(path)
        if not library.mbx_get_algo_info(_ECDHE_P256):  # calling it anyway would end the process
            raise OSError("this processor has no IFMA")
        self._public_key, self._ecdh = library.mbx_nistp256_ecpublic_key_mb8, library.mbx_nistp256_ecdh_mb8
        self._public_key.restype = self._ecdh.restype = ctypes.c_uint32
        self._lock = Lock()
        self._keys, self._x, self._y, self._their_x, self._their_y, self._secrets = (Lanes() for _ in range(6))

    def agree(self, points: Sequence[bytes]) -> list[tuple[bytes, bytes] | None]:
        """For each of up to LANES points, in order: the point of a new key, and the secret. None for what is not an
        uncompressed point of the curve."""
        every = [point if _uncompressed(point) else _NO_POINT for point in points]
        every += [_NO_POINT] * (LANES - len(points))
        with self._lock:
            self._keys.values.raw = private_keys()
            self._their_x.values.raw = b"".join(point[32:0:-1] for point in every)
            self._their_y.values.raw = b"".join(point[:32:-1] for point in every)
            faults = self._faults()
            x, y, secrets = self._x.values.raw, self._y.values.raw, self._secrets.values.raw
            self._keys.clear()
            self._secrets.clear()
        return [
            # The library's numbers are little-endian; its secrets are in the order of RFC 8291.
            None if faults >> 4 * lane & 0xF else (_point(x[at], y[at]), secrets[at])
            for lane, at in enumerate(_PLACES[: len(points)])
        ]

    def _faults(self) -> int:
        """Compute all eight: the keys' points and the secrets. Four bits a lane, 0 for success."""
        keys = self._keys.pointers
        theirs = self._their_x.pointers, self._their_y.pointers
        faults: int = self._public_key(self._x.pointers, self._y.pointers, None, keys, None)
        faults |= self._ecdh(self._secrets.pointers, keys, *theirs, None, None)
        return faults


def private_keys() -> bytes:
    """LANES keys, each from 1 to the order less 1 (FIPS 186-5 A.2.2). One set in half a billion is discarded."""
    while True:
        keys = os.urandom(LANES * _SIZE)
        if all(0 < int.from_bytes(keys[at], "little") < _ORDER for at in _PLACES):
            return keys


def library_load(path: Path) -> ctypes.CDLL:
    """From a copy in memory that does not name the unused libraries. Raises OSError."""
    binary = path.read_bytes()
    for name in _UNUSED:
        binary = binary.replace(b"\0%b\0" % name, b"\0%b\0" % _USED.ljust(len(name), b"\0"))
    copy = os.memfd_create(_LIBRARY)  # stays open: the loader identifies a loaded library by its path
    with open(copy, "wb", closefd=False) as file:
        file.write(binary)
    return ctypes.CDLL(f"/proc/self/fd/{copy}")


def installed() -> Path:
    """Raises PackageNotFoundError or FileNotFoundError."""
    for file in distribution("ipp-crypto").files or ():
        if file.name == _LIBRARY:
            return Path(str(file.locate()))
    raise FileNotFoundError(_LIBRARY)


def _uncompressed(point: bytes) -> bool:
    """SEC 1 §2.3.4: 65 bytes, the first of them 4, and numbers of the field, which the library does not check."""
    return len(point) == 65 and point[0] == 4 and point[1:33] < _PRIME and point[33:] < _PRIME


def _point(x: bytes, y: bytes) -> bytes:
    return b"\x04" + x[::-1] + y[::-1]
