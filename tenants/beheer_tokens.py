"""From a bearer token of an administrators' provider to whom it names.

The token's `iss` finds the provider, which is one side's; that provider's keys alone verify it; `aud`, `exp`, `iat` and `nbf`
must be as it says. The registry is asked at each request, so that who is withdrawn is out at once. Only keys are remembered.
Raises TokenRefused, whose code is for the security log and never for who asks.

Sources: OpenID Connect Core 2 and 3.1.3.7, RFC 9068, RFC 8725, NL GOV OAuth profile.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import asyncpg

from tenants.admins import Admin
from tenants.beheerders import BeheerIdp, idp_of_issuer, recognise_beheerder
from tenants.fetch import FetchRules, get
from tenants.jws import Unverified, read_unverified, verify
from tenants.keysets import KeySets, KeyUnknown

LONGEST_SECONDS: Final = 6 * 3600
"""How long a token may live, from `iat` to `exp` (NL GOV OAuth profile)."""
_TYPES: Final = frozenset({"", "jwt", "at+jwt"})
_LAST_MOMENT: Final = 253_402_300_800
_LONGEST_SUBJECT: Final = 200
_MOST_PROVIDERS: Final = 1_000


class TokenRefused(Exception):
    """A token lets nobody in. `code`: vorm, uitgever, kop, sleutel, handtekening, audience, tijden, subject, bevestiging."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Source:
    """A provider as far as its keys go."""

    tenant_id: int | None
    idp_id: int
    jwks_url: str
    algorithms: frozenset[str]


@dataclass(slots=True)
class BeheerTokens:
    """Reads tokens. `clock` is Unix time in seconds."""

    keysets: KeySets
    clock: Callable[[], float] = time.time
    _sources: dict[int, _Source] = field(default_factory=dict)

    async def read(self, registry: asyncpg.Pool, text: str) -> list[Admin]:
        """What the person is whom a token names: one Admin for each role, none for nobody. Raises TokenRefused.

        Raises KeysUnavailable when the provider's keys are not known, or too old. No connection waits for those.
        """
        token = read_unverified(text)
        if token is None:
            raise TokenRefused("vorm")
        issuer = token.payload.get("iss")
        if not isinstance(issuer, str):
            raise TokenRefused("uitgever")
        async with registry.acquire() as connection:
            found = await idp_of_issuer(connection, issuer)
        if found is None:
            raise TokenRefused("uitgever")
        tenant_id, idp = found
        payload = await self._verified(token, _Source(tenant_id, idp.number, idp.jwks_url, frozenset(idp.algorithms)))
        subject = read_subject(payload, idp, self.clock())
        async with registry.acquire() as connection:
            admins = await recognise_beheerder(connection, idp.number, subject)
        # The registry says so already: a provider names nobody of another side.
        return [one for one in admins if one.tenant_id == tenant_id]

    async def keep_fresh(self, shutdown: asyncio.Event) -> None:
        """Refresh the keys of the providers that were used, until `shutdown`."""
        keeping = asyncio.create_task(self.keysets.keep_fresh(lambda: list(self._sources.values())))
        try:
            await shutdown.wait()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self.keysets.close()

    async def _verified(self, token: Unverified, source: _Source) -> Mapping[str, Any]:
        if token.kid is None or token.type not in _TYPES or token.algorithm not in source.algorithms:
            raise TokenRefused("kop")
        if len(self._sources) < _MOST_PROVIDERS or source.idp_id in self._sources:
            self._sources[source.idp_id] = source
        try:
            key = self.keysets.find(source, token.kid, token.algorithm)
        except KeyUnknown:
            await self.keysets.refresh(source)
            try:
                key = self.keysets.find(source, token.kid, token.algorithm)
            except KeyUnknown:
                raise TokenRefused("sleutel") from None
        payload = verify(token, key)
        if payload is None:
            raise TokenRefused("handtekening")
        return payload


def make_beheer_tokens(rules: FetchRules) -> BeheerTokens:
    """Tokens over the keys that may be fetched by these rules."""

    async def fetch(url: str) -> bytes:
        return await asyncio.to_thread(partial(get, rules), url)

    fetching: Callable[[str], Awaitable[bytes]] = fetch
    return BeheerTokens(KeySets(fetching))


def read_subject(payload: Mapping[str, Any], idp: BeheerIdp, now: float) -> str:
    """Whom a verified payload names now. Raises TokenRefused. Pure."""
    audience = payload.get("aud")
    if audience != idp.audience and not (isinstance(audience, list) and idp.audience in audience):
        raise TokenRefused("audience")
    issued, ends = _moment(payload.get("iat")), _moment(payload.get("exp"))
    begins = issued if "nbf" not in payload else _moment(payload["nbf"])
    if issued is None or ends is None or begins is None or not 0 < ends - issued <= LONGEST_SECONDS:
        raise TokenRefused("tijden")
    if not max(begins, issued) - idp.clock_skew <= now < ends + idp.clock_skew:
        raise TokenRefused("tijden")
    if "cnf" in payload:
        # A token that is bound to a certificate or key proves nothing without it, and this API asks for none.
        raise TokenRefused("bevestiging")
    subject = payload.get(idp.claim_subject)
    if idp.claim_subject == "email" and payload.get("email_verified") is not True:
        raise TokenRefused("subject")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise TokenRefused("subject")
    return subject


def _moment(value: object) -> float | None:
    """A NumericDate (RFC 7519, 2); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value < _LAST_MOMENT else None
