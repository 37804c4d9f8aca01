"""What a taaksysteem does: ask over HTTP or HTTPS. And what the demo asks of the simulator's control port.

Written with the standard library alone, as a stranger to the gateway would be. Proxies of the environment are not used.
"""

import asyncio
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

_SECONDS = 15.0


class Unreachable(Exception):
    """No answer: nobody listens, or the connection broke."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Header names are in lower case; `json` is None for a body that is no JSON."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


async def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    form: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Reply:
    """Ask once, with `body` as JSON or `form` as a form. Raises Unreachable."""
    sent = dict(headers or {})
    content = None
    if form is not None:
        content = urlencode(form).encode()
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    elif body is not None:
        content = orjson.dumps(body)
        sent["Content-Type"] = "application/json"
    return await asyncio.to_thread(_ask, method, url, sent, content, context)


def _ask(
    method: str, url: str, headers: Mapping[str, str], content: bytes | None, context: ssl.SSLContext | None
) -> Reply:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = (
        http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_SECONDS, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    )
    try:
        connection.request(method, target, body=content, headers=dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(type(error).__name__) from None
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class SeenCall:
    """One call as the simulator of RvIG saw it. `scope` and `client_id` are those that the token was issued for."""

    kind: str
    method: str
    path: str
    certificate_oin: str | None
    fingerprint: str
    client_id: str | None
    scope: str | None
    mailbox: str | None
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Control:
    """The simulator's control port: what it saw, and post for a mailbox."""

    url: str

    async def count(self) -> int:
        """How many calls were seen since its start."""
        return int((await ask("GET", f"{self.url}/_control/seen?since=999999999")).json["count"])

    async def seen_since(self, number: int) -> tuple[SeenCall, ...]:
        """The calls after that count, oldest first: token requests and API calls."""
        found = (await ask("GET", f"{self.url}/_control/seen?since={number}")).json["seen"]
        names = SeenCall.__dataclass_fields__
        return tuple(SeenCall(**{name: one[name] for name in names}) for one in found)

    async def deliver(self, mailbox_id: str, content: Mapping[str, Any]) -> str:
        """Put a message into a mailbox, as RvIG does; return its transport id."""
        made = await ask("POST", f"{self.url}/_control/berichten", body={"mailbox_id": mailbox_id, "content": content})
        return str(made.json["berichtTransportId"])
