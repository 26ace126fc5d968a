"""NumPy's legacy `RandomState` in compiled code, bit for bit: Safety-Gymnasium draws everything from one.

A generator is a row of 625 words: the 624 of `RandomState.get_state()` and the position of the next one among them.
Source: Matsumoto and Nishimura (1998), "Mersenne Twister", MT19937; doubles and bounded integers as in NumPy's
`RandomState`, whose stream NumPy froze.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

NUM_WORDS = 624
GENERATOR_SIZE = NUM_WORDS + 1
_SHIFT = 397
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_TWIST = np.uint32(0x9908B0DF)
_ONE = np.uint32(1)
_ZERO = np.uint32(0)


def seed_generator(seed: int) -> NDArray[np.uint32]:
    """The state of `np.random.RandomState(seed)`.

    Args:
        seed: In [0, 2³²).

    Returns:
        `[625]` uint32; a generator.
    """
    state = np.random.RandomState(seed).get_state(legacy=False)["state"]
    return np.append(state["key"], np.uint32(state["pos"]))


@njit
def _mix(word: np.uint32, following: np.uint32) -> np.uint32:
    mixed = (word & _UPPER) | (following & _LOWER)
    return np.uint32((mixed >> _ONE) ^ (_TWIST if mixed & _ONE else _ZERO))


@njit
def _twist(words: NDArray[np.uint32]) -> None:
    """Replaces all words by the next 624."""
    for index in range(NUM_WORDS - _SHIFT):
        words[index] = words[index + _SHIFT] ^ _mix(words[index], words[index + 1])
    for index in range(NUM_WORDS - _SHIFT, NUM_WORDS - 1):
        words[index] = words[index + _SHIFT - NUM_WORDS] ^ _mix(words[index], words[index + 1])
    words[NUM_WORDS - 1] = words[_SHIFT - 1] ^ _mix(words[NUM_WORDS - 1], words[0])


@njit
def next_word(generator: NDArray[np.uint32]) -> np.uint32:
    """Draws 32 random bits.

    Args:
        generator: `[625]` uint32; advanced.

    Returns:
        The bits.
    """
    if generator[NUM_WORDS] == NUM_WORDS:
        _twist(generator)
        generator[NUM_WORDS] = 0
    word = generator[generator[NUM_WORDS]]
    generator[NUM_WORDS] += _ONE
    word ^= word >> np.uint32(11)
    word ^= (word << np.uint32(7)) & np.uint32(0x9D2C5680)
    word ^= (word << np.uint32(15)) & np.uint32(0xEFC60000)
    return np.uint32(word ^ (word >> np.uint32(18)))


@njit
def next_double(generator: NDArray[np.uint32]) -> float:
    """Draws uniformly from [0, 1) with 53 bits, as `RandomState.random_sample()`.

    Args:
        generator: `[625]` uint32; advanced by two words.

    Returns:
        The number.
    """
    high = next_word(generator) >> np.uint32(5)
    low = next_word(generator) >> np.uint32(6)
    return (high * 67108864.0 + low) / 9007199254740992.0


@njit
def next_index(generator: NDArray[np.uint32], count: int) -> int:
    """Draws uniformly from 0 … `count` − 1 as `RandomState.choice(count)`: masked bits, drawn again if too large.

    Args:
        generator: `[625]` uint32; advanced.
        count: At least 2 and at most 2³¹.

    Returns:
        The index.
    """
    mask = 1
    while mask < count - 1:
        mask = 2 * mask + 1
    while True:
        index = np.int64(next_word(generator)) & mask
        if index < count:
            return int(index)
