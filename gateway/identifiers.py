"""Transaction ids: UUIDv7 (RFC 9562, 5.7), strictly rising within one process.

48 bits of milliseconds; 12 bits of the fraction of a millisecond (6.2, method 3), raised by one whenever the clock has
not moved on or went back; 62 random bits, fresh for every id, so that replicas do not meet. An id is no secret.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0x2 << 62
_RANDOM: Final = (1 << 62) - 1


def make_uuid7_source(
    clock: Callable[[], int] = time.time_ns, random: Callable[[int], bytes] = os.urandom
) -> Callable[[], UUID]:
    """Return a source of rising UUIDv7s. `clock` gives Unix time in nanoseconds, `random` that many random bytes."""
    lock = threading.Lock()
    last = 0

    def next_uuid7() -> UUID:
        nonlocal last
        milliseconds, rest = divmod(clock(), 1_000_000)
        stamp = (milliseconds << 12) | (rest * 4096 // 1_000_000)
        with lock:
            if stamp <= last:
                stamp = last + 1
            last = stamp
        tail = int.from_bytes(random(8), "big") & _RANDOM
        return UUID(int=(stamp >> 12) << 80 | _VERSION | (stamp & 0xFFF) << 64 | _VARIANT | tail)

    return next_uuid7


uuid7: Final = make_uuid7_source()
"""The source of this process."""
