"""A wire between the writer and PostgreSQL that can be held and cut, before or after the server has heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes bytes on. `deaf`: what the client says is swallowed; `dumb`: what the server says is; both until a cut."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._transports: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.deaf = False
        self.dumb = False
        self.swallowed = asyncio.Event()
        self.connections = 0

    @property
    def url(self) -> str:
        user = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{user}@127.0.0.1:{self.port}"))

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def lead_to(self, url: str) -> None:
        """From now on lead to another server, as a name does after a fail-over; what is connected is dropped."""
        self._parts = urlsplit(url)
        await self.cut()

    async def cut(self) -> None:
        """Drop every connection, as a network does, and hear and speak again."""
        self.deaf = self.dumb = False
        self.swallowed.clear()
        for writer in list(self._transports):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def go_away(self) -> None:
        """Drop every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
                self._transports |= {writer, far_writer}
                await asyncio.gather(
                    self._pump(reader, far_writer, from_client=True), self._pump(far_reader, writer, from_client=False)
                )
                self._transports -= {far_writer}
        finally:
            # Also when nobody listens there: whoever came through must not wait for an answer.
            writer.transport.abort()
            self._transports -= {writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.deaf if from_client else self.dumb:
                    self.swallowed.set()
                else:
                    writer.write(data)
        writer.transport.abort()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire to the server of a URL, gone afterwards."""
    wire = Wire(url)
    await wire.listen()
    try:
        yield wire
    finally:
        await wire.go_away()
