"""Steers a simulator that runs in another process: faults, afnemers, post, and what was seen. Loopback only, plain HTTP.

Owns the routes under `/_control`. Refuses every address but the loopback one, because it has no authentication.
"""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from gateway.simulator.autorisatie import parse_addresses, parse_table
from gateway.simulator.faults import parse_rule
from gateway.simulator.seen import Seen
from gateway.simulator.settings import parse_afnemers

if TYPE_CHECKING:
    from gateway.simulator.app import Simulator

_LOOPBACK = "127.0.0.1"

Route = Callable[[web.Request], Awaitable[web.Response]]


@contextlib.asynccontextmanager
async def serving_control(simulator: "Simulator", port: int) -> AsyncIterator[int]:
    """Serve on the loopback address until the block ends; give the bound port."""
    runner = web.AppRunner(make_control(simulator), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, _LOOPBACK, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def make_control(simulator: "Simulator") -> web.Application:
    """Make the routes; bad input is a 400 with a sentence."""
    control = _Control(simulator)
    application = web.Application()
    application.add_routes(
        [
            web.get("/_control/ready", control.ready),
            web.post("/_control/faults", _checked(control.add_faults)),
            web.delete("/_control/faults", control.clear_faults),
            web.get("/_control/faults/{number}", _checked(control.get_fault)),
            web.get("/_control/afnemers", control.get_afnemers),
            web.put("/_control/afnemers", _checked(control.put_afnemers)),
            web.put("/_control/autorisatietabel", _checked(control.put_table)),
            web.put("/_control/adressen", _checked(control.put_addresses)),
            web.put("/_control/revoked-oins", _checked(control.put_revoked)),
            web.post("/_control/expire-tokens", _checked(control.expire_tokens)),
            web.post("/_control/berichten", _checked(control.deliver)),
            web.get("/_control/seen", _checked(control.get_seen)),
            web.delete("/_control/seen", control.clear_seen),
            web.get("/_control/connections", control.get_connections),
        ]
    )
    return application


def _checked(route: Route) -> Route:
    async def checked(request: web.Request) -> web.Response:
        try:
            return await route(request)
        except (ValueError, KeyError, TypeError) as error:
            return _json({"title": "Het verzoek kan niet worden uitgevoerd.", "detail": str(error)}, 400)

    return checked


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def seen_json(seen: Seen) -> dict[str, Any]:
    """A record of what was seen as JSON; a kept body as text."""
    value = {one.name: getattr(seen, one.name) for one in dataclasses.fields(seen)}
    body = value["body"]
    return value | {"body": body.decode(errors="replace") if isinstance(body, bytes) else None}


class _Control:
    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    async def ready(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def add_faults(self, request: web.Request) -> web.Response:
        """One rule or an array of them; answers with their numbers."""
        value = orjson.loads(await request.read())
        rules = [parse_rule(one) for one in (value if isinstance(value, list) else [value])]
        return _json({"numbers": [self._simulator.faults.add(rule) for rule in rules]}, 201)

    async def get_fault(self, request: web.Request) -> web.Response:
        return _json({"remaining": self._simulator.faults.remaining(int(request.match_info["number"]))})

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._simulator.faults.clear()
        return web.Response(status=204)

    async def get_afnemers(self, _: web.Request) -> web.Response:
        """The accounts without their secrets."""
        shown = [
            {
                "afnemer_id": one.afnemer_id,
                "oin": one.oin,
                "gemeente_code": one.gemeente_code,
                "mailbox_id": one.mailbox_id,
                "client_id": one.client_id,
                "environment": one.environment,
                "blocked": one.blocked,
            }
            for one in self._simulator.afnemers.all()
        ]
        return _json(shown)

    async def put_afnemers(self, request: web.Request) -> web.Response:
        """Replace every account; with `?keep=1` add to them."""
        afnemers = parse_afnemers(orjson.loads(await request.read()))
        if request.query.get("keep"):
            self._simulator.afnemers.put(*afnemers)
        else:
            self._simulator.afnemers.replace_all(afnemers)
        return web.Response(status=204)

    async def put_table(self, request: web.Request) -> web.Response:
        """Replace the autorisatietabel, in the form of RvIG's table; null takes it away."""
        value = orjson.loads(await request.read())
        self._simulator.autorisatie.table = None if value is None else parse_table(value)
        return web.Response(status=204)

    async def put_addresses(self, request: web.Request) -> web.Response:
        """Replace the known addresses, current and past."""
        self._simulator.autorisatie.addresses = parse_addresses(orjson.loads(await request.read()))
        return web.Response(status=204)

    async def put_revoked(self, request: web.Request) -> web.Response:
        value = orjson.loads(await request.read())
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError("an array of OINs was expected")
        self._simulator.afnemers.revoked_oins = set(value)
        return web.Response(status=204)

    async def expire_tokens(self, request: web.Request) -> web.Response:
        return _json({"expired": self._simulator.tokens.expire(request.query.get("client_id"))})

    async def deliver(self, request: web.Request) -> web.Response:
        """Put a message into a mailbox: `{"mailbox_id": …, "content": {…}}`."""
        value = orjson.loads(await request.read())
        if not isinstance(value["content"], dict):
            raise ValueError("content: an object was expected")  # noqa: TRY004 - bad input
        return _json(
            {"berichtTransportId": self._simulator.postbus.deliver(str(value["mailbox_id"]), value["content"])}
        )

    async def get_seen(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since", "0"))
        log = self._simulator.seen
        return _json({"count": log.count, "seen": [seen_json(one) for one in log.all(since=since)]})

    async def clear_seen(self, _: web.Request) -> web.Response:
        self._simulator.seen.clear()
        return web.Response(status=204)

    async def get_connections(self, _: web.Request) -> web.Response:
        simulator = self._simulator
        living = [
            {
                "number": one.number,
                "certificate_oin": one.certificate_oin,
                "fingerprint": one.fingerprint,
                "tls_version": one.tls_version,
                "requests": one.requests,
            }
            for one in simulator.connections.values()
        ]
        made = simulator.connections_by_fingerprint
        return _json({"count": simulator.connection_count, "by_fingerprint": made, "living": living})
