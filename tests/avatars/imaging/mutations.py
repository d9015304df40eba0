"""Ways to damage a file, for the fuzz tests."""

import random
from collections.abc import Callable

MOST_KILOBYTES = 128 * 1024  # that decoding damaged pictures may add to a process

Mutation = Callable[[random.Random, bytearray, bytes], bytes | bytearray]


def flip_bits(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    for _ in range(dice.choice([1, 3, 30])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def damage_header(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(min(64, len(data)))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
    return data


def truncate(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    return data[: dice.randrange(len(data))]


def splice(dice: random.Random, data: bytearray, other: bytes) -> bytes | bytearray:
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def insert(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    at = dice.randrange(len(data))
    return data[:at] + dice.randbytes(dice.randint(1, 200)) + data[at:]


def reorder(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    """Pieces between markers, chunks and boxes change places."""
    cuts = sorted(dice.sample(range(len(data)), 3))
    first, second = data[cuts[0] : cuts[1]], data[cuts[1] : cuts[2]]
    return data[: cuts[0]] + second + first + data[cuts[2] :]


def large_numbers(dice: random.Random, data: bytearray, _other: bytes) -> bytes | bytearray:
    """Lengths and sizes become huge, in either byte order."""
    at = dice.randrange(len(data) - 4)
    data[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0"])
    return data


MUTATIONS: tuple[Mutation, ...] = (flip_bits, damage_header, truncate, splice, insert, reorder, large_numbers)
