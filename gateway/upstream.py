"""The call to RvIG's API: with which headers, to which URL, over which identity, and with a place reserved.

Owns what leaves: headers are built anew from an allow-list, so that nothing of the caller's (credentials, vendor
headers, cookies) passes by omission. Refuses an aansluiting of another environment, and path parts that are not plain.
Never repeats a call. Trouble is a value: `send` raises nothing but CancelledError.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from gateway.call import Answered, Result, Unanswered
from gateway.catalogue import Api, Environment
from gateway.errors import IdentityUnavailable
from gateway.places import Place, Places
from gateway.wire.pools import Post, Wires
from tenants.model import Aansluiting

USER_AGENT = "Koppelpunt"

UNREACHED = frozenset(
    {"naamOnbekend", "tlsMislukt", "verbindingTeLaat", "geenVerbinding", "antwoordTeLaat", "verbindingVerbroken"}
)
"""Reasons that say that RvIG did not react; so many in a row open the circuit breaker of the aansluiting."""

_NEUTRAL = frozenset({"toestemmingVerlopen", "verzoekOnbruikbaar", "omgevingTegenstrijdig"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NEVER_PASSED = frozenset(
    {
        "authorization", "connection", "content-length", "cookie", "expect", "forwarded", "host", "keep-alive",
        "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "x-api-key",
    }
)  # fmt: skip
_SUBPATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]*)*")
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]-]*")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all calls of one API have in common, worked out once."""

    api: Api
    url: URL
    address: str
    headers: Mapping[str, str] = field(repr=False)
    passed: tuple[str, ...]


class Upstream:
    """RvIG's APIs. One per process; every certificate and every aansluiting is kept apart inside."""

    def __init__(self, wires: Wires, places: Places | None = None) -> None:
        self._wires = wires
        self._places = places or Places()
        self._plans: dict[tuple[str, str], _Plan] = {}

    def reserve(self, aansluiting: Aansluiting, environment: Environment) -> Place:
        """A place in the aansluiting's concurrency limit, as an async context manager; had before the opening.

        Entering raises UpstreamUnavailable `teDruk` or `onderbroken`, with nothing sent.
        """
        key = (aansluiting.tenant_id, aansluiting.aansluiting_id)
        return self._places.reserve(key, environment.concurrency)

    async def send(
        self,
        aansluiting: Aansluiting,
        environment: Environment,
        api: Api,
        method: str,
        subpath: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        token: str,
        *,
        deadline: float,
    ) -> Result:
        """Send one call over the aansluiting's own identity; its first byte leaves before `deadline` or never.

        `headers` are the caller's, in lower case; `deadline` is on the clock of `time.monotonic`.
        """
        if aansluiting.environment != environment.name:
            return Unanswered("omgevingTegenstrijdig", sent=False)
        plan = self._plans.get((environment.name, api.name))
        if plan is None or plan.api is not api:
            plan = self._plans[environment.name, api.name] = _make_plan(environment, api)
        url = plan.url
        if subpath or query:
            if not (_SUBPATH.fullmatch(subpath) and _QUERY.fullmatch(query)):
                return Unanswered("verzoekOnbruikbaar", sent=False)
            url = URL(f"{plan.address}{subpath}?{query}" if query else plan.address + subpath, encoded=True)
        post = Post(
            method, url, _make_headers(plan, headers, token, has_body=bool(body) or method in _WITH_BODY), body or None,
            environment.connect_timeout, environment.answer_timeout, deadline,
        )  # fmt: skip
        try:
            result = await self._wires.ask(aansluiting.certificate, environment.name, post)
        except IdentityUnavailable as unavailable:
            return Unanswered(unavailable.code, sent=False)
        if isinstance(result, Answered) or result.reason not in _NEUTRAL:
            reached = isinstance(result, Answered) or result.reason not in UNREACHED
            self._places.note((aansluiting.tenant_id, aansluiting.aansluiting_id), reached=reached)
        return result


def _make_plan(environment: Environment, api: Api) -> _Plan:
    address = environment.base_url + (api.upstream_path or api.path)
    fixed = {name.lower(): value for name, value in api.headers.items()}
    headers = {
        # RvIG compares the whole value: a list of media types gives 406.
        "accept": "application/json",
        # Batches of messages are worth unpacking; the other answers are a few kB.
        "accept-encoding": "gzip" if api.kind == "berichten" else "identity",
        "user-agent": USER_AGENT,
        **fixed,
    }
    wanted = dict.fromkeys(name.lower() for name in ("traceparent", *api.pass_headers))
    passed = tuple(name for name in wanted if name not in _NEVER_PASSED and name not in fixed)
    return _Plan(api, URL(address, encoded=True), address, headers, passed)


def _make_headers(plan: _Plan, given: Mapping[str, str], token: str, *, has_body: bool) -> dict[str, str]:
    headers = dict(plan.headers)
    if has_body:
        headers["content-type"] = given.get("content-type") or "application/json"
    for name in plan.passed:
        value = given.get(name)
        if value is not None:
            headers[name] = value
    headers["authorization"] = f"Bearer {token}"
    return headers
