"""The admin API as its users meet it: asked again, with the same Idempotency-Key, until it has an answer."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from tests.soak.installation import Installation

_SECONDS = 600.0
"""Patience of the run, which judges nothing: on a busy machine a process needs half a minute to begin."""
_LATER = frozenset({"verzoekLoopt"})


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any = field(repr=False)


class Refused(AssertionError):
    """An answer that nothing which was done explains."""


@dataclass(slots=True)
class Admin:
    """`statuses` counts what came back, by status; 0 stands for a connection that broke."""

    here: Installation
    statuses: Counter[int] = field(default_factory=Counter)

    async def insist(
        self, method: str, path: str, key: str, body: Any = None, *, version: str | None = None,
        also: Collection[int] = (),
    ) -> Reply:  # fmt: skip
        """Ask until there is an answer of success, or one of `also`; ask again only what says that it may be.

        Raises Refused for anything else, TimeoutError after ten minutes.
        """
        headers = {"Authorization": f"Bearer {key}"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        if version is not None:
            headers["If-Match"] = version
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            reply = await self._try(method, path, headers, body)
            code = reply.body.get("code") if isinstance(reply.body, dict) else None
            if 200 <= reply.status < 300 or reply.status in also:
                return reply
            if reply.status not in {0, 503} and code not in _LATER:
                raise Refused(f"{method} {path}: {reply.status} {reply.body}")
            await asyncio.sleep(0.3)
        raise TimeoutError(f"{method} {path}")

    async def change(
        self,
        method: str,
        path: str,
        key: str,
        body: Any = None,
        *,
        where: str | None = None,
        also: Collection[int] = (),
    ) -> Reply:
        """Change what was just seen. Where a try may have been done before it was cut off, `also` says how that looks."""
        seen = await self.insist("GET", where or path, key)
        return await self.insist(method, path, key, body, version=seen.headers["ETag"], also=also)

    async def _try(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Reply:
        reply = Reply(0, {}, None)
        if self.here.tenants:
            url = f"http://127.0.0.1:{self.here.tenants[-1].port}{path}"
            options = {} if body is None else {"json": body}
            try:
                async with self.here.session.request(method, url, headers=headers, **options) as answer:
                    is_json = "json" in answer.content_type
                    reply = Reply(answer.status, answer.headers, await answer.json() if is_json else None)
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
        self.statuses[reply.status] += 1
        return reply
