"""How much of the machine was free meanwhile: a ratio that was measured on a full one is about its processors."""

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Idle:
    """The share of all processors that did nothing, from 0 up to 1, since this was made."""

    def __init__(self) -> None:
        self._began, self._idle = time.monotonic(), _idle_seconds()

    def share(self) -> float:
        took = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return min(1.0, (_idle_seconds() - self._idle) / took)


def _idle_seconds() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / _TICKS
