"""Shuffling without a list: where a place of a permutation leads is computed when it is asked for.

A Feistel network over the smallest rectangle that holds all numbers, walked until it leads to one of them (Black and
Rogaway 2002, "Ciphers with Arbitrary Finite Domains"). A permutation of a thousand million samples takes no memory, and
one place of it as long as one of ten.
"""

from __future__ import annotations

import math

import numpy as np

ROUNDS = 8
GOLDEN = 0x9E3779B97F4A7C15
WRAP = (1 << 64) - 1


def shuffled(samples: int, places: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """What lies at some places (n,) of permutations of range(samples); keys (n,) say which permutation each time."""
    high = math.isqrt(samples - 1) + 1
    low = -(-samples // high)
    numbers = places.astype(np.uint64)
    outside = np.ones(len(numbers), bool)
    while outside.any():
        numbers[outside] = _network(numbers[outside], keys[outside], high, low)
        outside = numbers >= samples
    return numbers.astype(np.int64)


def keys_of(seed: int, stream: int, epochs: np.ndarray) -> np.ndarray:
    """The keys (n,) of a stream's permutations in some epochs (n,); near inputs give unrelated keys."""
    key = np.zeros(len(epochs), np.uint64)
    for number in (seed, stream, epochs):
        key = _scrambled(key + _as_unsigned(number) + np.uint64(GOLDEN))
    return key


def _network(numbers: np.ndarray, keys: np.ndarray, high: int, low: int) -> np.ndarray:
    left, right = np.divmod(numbers, np.uint64(low))
    for turn in range(0, ROUNDS, 2):
        left = (left + _scrambled(right + keys + _constant(turn)) % np.uint64(high)) % np.uint64(high)
        right = (right + _scrambled(left + keys + _constant(turn + 1)) % np.uint64(low)) % np.uint64(low)
    return left * np.uint64(low) + right


def _constant(turn: int) -> np.uint64:
    return np.uint64(turn * GOLDEN & WRAP)


def _as_unsigned(number: int | np.ndarray) -> np.ndarray | np.uint64:
    return number.astype(np.uint64) if isinstance(number, np.ndarray) else np.uint64(number & WRAP)


def _scrambled(state: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed
