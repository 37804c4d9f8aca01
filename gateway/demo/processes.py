"""The product's own processes, started as an operator would start them, and ended with the demo however that ends.

Owns starting, waiting until ready, noticing an end, and stopping. A watcher holds the reading end of a pipe that only
the demo can write to; the kernel closes the pipe when the demo dies, SIGKILL included, and the watcher then asks the
process to end. What a process writes goes to a log file of its own.
"""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.demo.asking import Unreachable, ask

_READY_SECONDS = 40.0
_STOP_SECONDS = 15.0
_SHOWN_LINES = 15

# The shell becomes the process, so that its end is ours to see; the watcher goes on beside it.
_WATCHED = """
exec 3<&0
(
  trap '' INT TERM HUP
  cat <&3 >/dev/null
  kill -TERM $$
) >/dev/null 2>&1 &
exec 3<&-
exec "$@" </dev/null
"""


class ProcessEnded(Exception):
    """A process of the demo ended, or was not ready in time; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process of the product, by the name of its command."""

    name: str
    process: Process
    log: Path

    async def until_ended(self) -> str:
        """Wait until it has ended; return what to say about it."""
        status = await self.process.wait()
        return f"The process {self.name!r} ended with status {status}.\n{self.last_lines()}"

    def last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_SHOWN_LINES:])


@dataclass(frozen=True, slots=True)
class Command:
    """`koppelpunt <words>` with its KOPPELPUNT_ settings, and the URL that answers 2xx when it is ready."""

    words: Sequence[str]
    ready_url: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)


@asynccontextmanager
async def running(commands: Sequence[Command], logs: Path) -> AsyncIterator[tuple[Child, ...]]:
    """Run all of them until the block ends. Raises ProcessEnded when one is not ready in time.

    The settings of the demo's own environment are not for them.
    """
    children: list[Child] = []
    try:
        for command in commands:
            children.append(await _start(command, logs / f"{command.words[0]}.log"))  # noqa: PERF401 - each is stopped
        waiting = [_until_ready(child, one.ready_url) for child, one in zip(children, commands, strict=True)]
        await asyncio.gather(*waiting)
        yield tuple(children)
    finally:
        await asyncio.gather(*(_stop(child.process) for child in children))


async def _start(command: Command, log: Path) -> Child:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _WATCHED, "sh", sys.executable, "-m", "gateway", *command.words,
            env=kept | dict(command.settings),
            stdin=asyncio.subprocess.PIPE, stdout=output, stderr=asyncio.subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches the demo alone, which ends its processes in order.
            start_new_session=True,
        )  # fmt: skip
    return Child(command.words[0], process, log)


async def _until_ready(child: Child, url: str) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready(url):
                if child.process.returncode is not None:
                    raise ProcessEnded(await child.until_ended())
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ProcessEnded(
            f"The process {child.name!r} is not ready after {_READY_SECONDS:g} s.\n{child.last_lines()}"
        ) from None


async def _is_ready(url: str) -> bool:
    try:
        return (await ask("GET", url)).status in {200, 204}
    except Unreachable:
        return False


async def _stop(process: Process) -> None:
    """Close the pipe: the watcher asks the process to end, which lets running calls end first."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
