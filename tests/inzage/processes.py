"""Processes of the product as an operator starts them, and everything that they write."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Started:
    """One that serves: where its output goes, and its ports by name."""

    output: Path
    ports: Mapping[str, int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['port']}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports['watch']}/metrics"


@asynccontextmanager
async def started(name: str, directory: Path, **settings: str) -> AsyncIterator[Started]:
    """`koppelpunt NAME` with these settings, until the block ends; then it has written all that it will."""
    output = directory / f"{name}.log"
    with output.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", name, env=_surroundings() | _named(settings),
            stdout=stream, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        async with asyncio.timeout(90):
            while (ports := _ports(output)) is None:
                assert process.returncode is None, output.read_text()
                await asyncio.sleep(0.05)
        yield Started(output, ports)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def output_of(*words: str) -> bytes:
    """What a command writes, to both its outputs; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, env=_surroundings(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    written, _ = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"KOPPELPUNT_{name.upper()}": value for name, value in settings.items()}


def _ports(output: Path) -> dict[str, int] | None:
    for line in output.read_text(errors="replace").splitlines():
        if line.startswith("ready "):
            return {name: int(port) for name, port in (part.split("=") for part in line.split()[1:])}
    return None
