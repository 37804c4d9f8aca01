"""A connection for one long read: a search, an outcome, a report. What takes too long is told as that, not as a lost database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from tenants.api.problems import Refused
from tenants.api.routing import Asked
from tenants.heavy_reads import NoPlace

SECONDS: Final = 50.0
"""How long one read may take: below the minute after which a request is cut whatever it does."""
_AGAIN: Final = {"Retry-After": "30"}


@asynccontextmanager
async def heavy_read(asked: Asked) -> AsyncIterator[asyncpg.Connection]:
    """The connection. Raises Refused when there is no place, and when it took too long: what was read is on record then."""
    heavy = asked.rooms.heavy
    try:
        with heavy.place(asked.tenant_id):
            async with asked.rooms.inzage.acquire() as connection:
                try:
                    async with asyncio.timeout(SECONDS):
                        yield connection
                except (TimeoutError, asyncpg.QueryCanceledError):
                    raise _took_too_long() from None
    except NoPlace as error:
        raise _no_place(error) from None


def _took_too_long() -> Refused:
    return Refused(
        503,
        "leesduurOverschreden",
        "Dit lezen duurde te lang en is afgebroken; er is niets veranderd. Vraag een kortere periode, of zoek nauwer. Dat er "
        "gelezen is, staat vast.",
    )


def _no_place(error: NoPlace) -> Refused:
    if error.own is not None:
        return Refused(
            429,
            "teVeelTegelijk",
            f"Er lopen al {error.own} zoekvragen of rapporten van uw organisatie. Wacht tot er een klaar is.",
            headers=_AGAIN,
        )
    return Refused(
        503,
        "rapportenBezet",
        "Er lopen nu te veel zoekvragen en rapporten. Probeer het straks opnieuw.",
        headers=_AGAIN,
    )
