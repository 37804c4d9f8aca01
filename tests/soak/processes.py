"""The product's processes as an operator starts them, and what is remembered of each: when it ran, how it ended."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 180.0
_TRIES = 8
_PORT = re.compile(r"(port|watch)=(\d+)")


@dataclass(slots=True, eq=False)
class Process:
    """One process, running or over. `killed` are the Unix times at which it, or a worker of it, was killed.

    `replaced`: its workers were replaced by others, with what they had counted.
    """

    kind: str
    name: str
    process: asyncio.subprocess.Process
    log: Path
    port: int
    watch: int
    workers: int = 1
    began: float = field(default_factory=time.time)
    ended: float | None = None
    killed: list[float] = field(default_factory=list)
    replaced: bool = False

    @property
    def pids(self) -> list[int]:
        """The process, and its workers if it has any. None when it is over."""
        if self.process.returncode is not None:
            return []
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(OSError):
            return [self.process.pid, *(int(one) for one in path.read_text().split())]
        return []

    def said(self, *events: str) -> int:
        """How many lines of its log are of these events."""
        text = self.log.read_text(errors="replace")
        return sum(text.count(f'"event":"{one}"') for one in events)

    async def kill(self) -> None:
        """SIGKILL, with its workers left to notice."""
        self.killed.append(time.time())
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.ended = time.time()

    async def stop(self, seconds: float = 180.0) -> int:
        """SIGTERM; return its status. Raises TimeoutError when it does not end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), seconds)
        self.ended = time.time()
        return status


async def start_at_last(
    kind: str, name: str, words: Sequence[str], settings: Mapping[str, str], directory: Path, *, workers: int = 1
) -> Process:
    """Start one; again when it ended before it served, as it may while the database is away. Raises RuntimeError."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(RuntimeError, TimeoutError):
            return await start(kind, name, words, settings, directory, workers=workers)
        await asyncio.sleep(0.5)
    return await start(kind, name, words, settings, directory, workers=workers)


async def start(
    kind: str, name: str, words: Sequence[str], settings: Mapping[str, str], directory: Path, *, workers: int = 1
) -> Process:
    """Start one, and wait until it says that it listens. Raises RuntimeError with its log when it ends before that."""
    log = directory / f"{name}.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *words,
            env=kept | dict(settings), stdout=output, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        async with asyncio.timeout(READY_SECONDS):
            while process.returncode is None:
                if ports := _ready(log):
                    return Process(kind, name, process, log, ports.get("port", 0), ports["watch"], workers)
                await asyncio.sleep(0.05)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    raise RuntimeError(f"{name}: {log.read_text()[-2000:]}")


def _ready(log: Path) -> dict[str, int]:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("ready "):
            return {name: int(port) for name, port in _PORT.findall(line)}
    return {}
