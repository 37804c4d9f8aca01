"""The memory of every process over time, and whether it grows. Reads /proc; the rule is pure."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.processes import Process

MIB = 1 << 20
Sample = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Growth:
    """One process: its memory in MiB after it had settled and at the end, and MiB per minute in between."""

    name: str
    seconds: float
    first: float
    last: float
    per_minute: float


@dataclass(slots=True)
class Memory:
    """Samples of resident memory in bytes by process name and number, with their Unix times."""

    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def look(self, processes: Sequence[Process]) -> None:
        """Take a sample of each process that runs, workers too."""
        now = time.time()
        for one in processes:
            for pid in one.pids:
                octets = read_resident(pid)
                if octets:
                    self.samples[one.name, pid].append((now, octets))

    def growths(self, settle: float, least: float) -> list[Growth]:
        """How each process grew that ran for `least` seconds after `settle` seconds of settling."""
        made = []
        for (name, pid), samples in self.samples.items():
            settled = [one for one in samples if one[0] >= samples[0][0] + settle]
            if settled and settled[-1][0] - settled[0][0] >= least:
                made.append(growth_of(f"{name}/{pid}", settled))
        return made

    @property
    def most(self) -> float:
        """The largest resident memory that any process had, in MiB."""
        return max((octets for some in self.samples.values() for _, octets in some), default=0) / MIB


def growth_of(name: str, samples: Sequence[Sample]) -> Growth:
    """The line through the samples, by least squares. Two moments at least."""
    times, sizes = [one[0] for one in samples], [one[1] / MIB for one in samples]
    mean_time, mean_size = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((at - mean_time) ** 2 for at in times)
    together = sum((at - mean_time) * (size - mean_size) for at, size in zip(times, sizes, strict=True))
    return Growth(name, times[-1] - times[0], sizes[0], sizes[-1], 60 * together / spread if spread else 0.0)


def read_resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
