"""Idempotency-Key: a POST that is sent again does its work once, and gets the same answer for a day.

The work, and what is kept of its answer, are one transaction: a crash at any line leaves both or neither. Nothing that was
refused is kept, so that the same key may be tried again. A key is that of one administrator, and of one request.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import asyncpg
from starlette.requests import Request

from tenants.admins import scope_of
from tenants.api.problems import Refused, fault
from tenants.api.routing import Answer, Asked, Route, as_bytes
from tenants.api.shapes import Fout
from tenants.keyring import Keyring, KeyringError, hash_secret

KEY_HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_KEPT: Final = frozenset({"Location"})

Perform = Callable[[Route, Asked], Awaitable[Answer]]


def read_key(request: Request, route: Route, faults: list[Fout]) -> str | None:
    """The key of a request, if it has one and the route takes it. Adds to `faults` when it is none, or is refused."""
    given = request.headers.get(KEY_HEADER)
    if given is not None and route.herhaalt_niet:
        faults.append(fault("header", KEY_HEADER, "nietHerhaalbaar", route.herhaalt_niet))
    if not route.idempotent:
        return None
    if given is not None and not _KEY.fullmatch(given):
        words = "De sleutel heeft 1 tot 128 zichtbare ASCII-tekens."
        faults.append(fault("header", KEY_HEADER, "string_pattern_mismatch", words))
    return given


async def answer_once(route: Route, asked: Asked, document: bytes, key: str, perform: Perform) -> Answer:
    """Perform, or give the answer that this key had. Raises Refused: 409 while it runs, 422 for another request.

    The lock goes with the transaction, also when this process dies: then the request was not done.
    """
    digest = hashlib.sha256(key.encode()).digest()
    said = f"{route.method} {sorted(asked.path.items())} {route.path}\n{asked.version}\n".encode() + document
    pool = asked.rooms.registry if route.anew is None else asked.rooms.inzage
    async with (
        pool.acquire() as connection,
        scope_of(connection, asked.tenant, actor=asked.actor),
    ):
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _lock(asked, digest)):
            raise Refused(
                409, "verzoekLoopt", "Het verzoek met deze Idempotency-Key loopt nog.", headers={"Retry-After": "1"}
            )
        await connection.execute("SELECT registry.forget_answered_requests()")
        row = await connection.fetchrow(
            "SELECT request_hash, hash_version, status, headers, body, showed_secret FROM registry.answered_request "
            "WHERE tenant_id = $1 AND actor = $2 AND key_digest = $3",
            asked.tenant or 0, asked.actor, digest,
        )  # fmt: skip
        if row is not None:
            again = _again(row, asked.rooms.identity, said)
            return (
                again if route.anew is None else await _anew(route.anew, replace(asked, connection=connection), again)
            )
        made = await perform(route, replace(asked, connection=connection))
        await _keep(connection, asked, digest, said, made, whole=route.anew is None)
    return made


async def _anew(anew: Callable[[Asked], Awaitable[Answer]], asked: Asked, again: Answer) -> Answer:
    """What was made, as it stands by now, under the status and at the place that were answered."""
    place = again.headers.get("Location")
    read = await anew(asked if place is None else replace(asked, path={"nummer": place.rpartition("/")[2]}))
    return replace(read, status=again.status, headers=again.headers)


async def _keep(
    connection: asyncpg.Connection, asked: Asked, digest: bytes, said: bytes, made: Answer, *, whole: bool
) -> None:
    hashed, version = _hash(asked.rooms.identity, said)
    headers = {name: value for name, value in made.headers.items() if name in _KEPT}
    body = None if made.shows_secret or made.body is None else as_bytes(made.body)
    # Whoever keeps nothing of an answer may not write that column either.
    columns, values = (", body", ", $9") if whole else ("", "")
    await connection.execute(
        "INSERT INTO registry.answered_request (tenant_id, actor, key_digest, request_hash, hash_version, status, "  # noqa: S608
        f"  headers, showed_secret{columns}) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8{values})",
        asked.tenant or 0, asked.actor, digest, hashed, version, made.status,
        json.dumps(headers | ({} if made.version is None else {"ETag": f'"{made.version}"'})), made.shows_secret,
        *([body] if whole else []),
    )  # fmt: skip


def _again(row: Any, identity: Keyring, said: bytes) -> Answer:
    try:
        same = _hash(identity, said, row["hash_version"])[0] == row["request_hash"]
    except KeyringError:
        same = False
    if not same:
        raise Refused(422, "andereInhoud", "Deze Idempotency-Key is gebruikt voor een ander verzoek; neem een nieuwe.")
    headers = json.loads(row["headers"])
    if row["showed_secret"]:
        raise Refused(
            409,
            "alGetoond",
            "Dit verzoek is gedaan, en het geheim is toen één keer getoond. Kwam het niet aan, trek het dan in en maak een nieuw.",
            headers={name: value for name, value in headers.items() if name == "Location"},
        )
    return Answer(row["status"], row["body"], headers)


def _hash(identity: Keyring, said: bytes, version: int | None = None) -> tuple[bytes, int]:
    # Keyed, as a body may hold a secret that somebody chose.
    return hash_secret(identity, said.decode("latin-1"), version)


def _lock(asked: Asked, digest: bytes) -> int:
    named = f"koppelpunt/herhaling/{asked.tenant or 0}/{asked.actor}/".encode() + digest
    return int.from_bytes(hashlib.sha256(named).digest()[:8], signed=True)
