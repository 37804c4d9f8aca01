"""Personal data and secrets, sent along every path that there is: none of them stands in a log, a metric, a database.

What is looked for, is looked for as it is, in hexadecimal (as PostgreSQL shows bytes) and in Base64.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Iterable, Mapping

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.databases import Database
from tests.e2e import every_path as paths
from tests.e2e.every_path import Stage, take_every_path
from tests.e2e.ledgers import HANNA
from tests.register.wire import wire_to
from tests.world import Member, world

CALL_FIELDS = frozenset({
    "transactie", "trace", "omgeving", "api", "operatie", "tenant", "aansluiting", "machtiging", "taaksysteem", "resultaat",
    "code", "status", "octetten", "ms", "stappen", "event", "level", "tijdstempel",
})  # fmt: skip
SECURITY_FIELDS = frozenset(
    {"actie", "object", "resultaat", "oorsprong", "onderdeel", "actor", "event", "level", "tijdstempel"}
)


async def test_nothing_personal_and_no_secret_stands_where_it_does_not_belong(database, tmp_path, caller):
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(database, tmp_path / "world"))
        wire = await stack.enter_async_context(wire_to(database.url("gateway")))
        member = await here.add_member()
        settings = {"database_url": wire.url, "open_timeout": "1", "answer_limit": str(8 * 1024 * 1024)}
        (gateway,) = await stack.enter_async_context(here.gateways(1, **settings))
        stage = Stage(here, gateway, wire, member, caller)
        await take_every_path(stage)
        watch, open_metrics = f"http://127.0.0.1:{gateway.watch}/metrics", {"Accept": "application/openmetrics-text"}
        async with caller.session.get(watch) as answer:
            metrics = await answer.read()
        async with caller.session.get(watch, headers=open_metrics) as answer:
            traced = await answer.read()
        await gateway.stop()
        log, dump = await asyncio.to_thread(gateway.output.read_bytes), await read_everything(database)
        secrets = secrets_of(member, [*here.simulator.tokens._issued, *stage.tokens])
    assert found_in(log, secrets) == []
    assert found_in(metrics, secrets) == []
    assert found_in(traced, secrets) == []
    assert found_in(b"\n".join(stage.refusals), secrets) == []
    assert found_in(dump, secrets) == []
    check_lines(log)
    check_exemplars(traced, log)
    # All five are what they seem to be: what may be there is found there.
    assert len(stage.refusals) > 20
    assert b"teVeelPogingen" not in b"".join(stage.refusals)
    assert log.count(caller.ledger[0].headers["x-transactie-id"].encode()) == 1
    assert b"koppelpunt_refusals_total" in metrics
    assert found_in(dump, {"OIN": member.account.oin, "client-ID": member.account.client_id}) == ["OIN", "client-ID"]


def check_lines(log: bytes) -> None:
    """A line has the names that it has and no others, and every refusal of a right or a block is in the security log."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
    calls = [line for line in lines if line["event"] == "bevraging"]
    assert {frozenset(line) for line in calls} == {CALL_FIELDS}
    assert {line["resultaat"] for line in calls} == {"beantwoord", "geweigerd", "mislukt"}
    # What is answered has a status, and a refusal the one that its caller got.
    assert all(200 <= line["status"] < 600 for line in calls)
    assert all(line["octetten"]["antwoord"] > 0 for line in calls if line["resultaat"] == "beantwoord")
    security = [line for line in lines if line["event"] == "veiligheid"]
    assert {frozenset(line) for line in security} == {SECURITY_FIELDS}
    assert {"authentication", "geblokkeerd"} <= {line["resultaat"] for line in security}
    assert {line["oorsprong"] for line in security if line["actor"] == "onbekend"} == {"127.0.0.1"}
    # What nobody known called its trace is not repeated.
    assert all((line["trace"] is None) == (line["taaksysteem"] is None) for line in calls)
    known = {line["code"] for line in calls if line["status"] == 403 and line["taaksysteem"] is not None}
    assert known <= {line["resultaat"] for line in security}


def check_exemplars(traced: bytes, log: bytes) -> None:
    """An exemplar is the trace of a call that has its line, and nothing more."""
    found = set(re.findall(rb"# \{([^}]*)\}", traced))
    assert found
    traces = {one.removeprefix(b'trace_id="').removesuffix(b'"') for one in found}
    assert all(re.fullmatch(rb"[0-9a-f]{32}", one) and log.count(one) >= 1 for one in traces)


async def read_everything(database: Database) -> bytes:
    """Every row of every table, as text, and what PostgreSQL shows of its sessions."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        tables = await admin.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        texts = [await admin.fetch(f"SELECT t::text AS row FROM {table['name']} t") for table in tables]  # noqa: S608
        texts.append(await admin.fetch("SELECT query AS row FROM pg_stat_activity"))
    finally:
        await admin.close()
    return "\n".join(one["row"] or "" for rows in texts for one in rows).encode()


def secrets_of(member: Member, tokens: Iterable[str]) -> dict[str, bytes]:
    """All that is secret about a member, its private key as a number; and what was sent about persons."""
    key = load_pem_private_key(member.issued.key_pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    texts = {
        "API key": member.api_key,
        "client secret at RvIG": member.account.client_secret,
        "client secret here": member.client_secret,
        **{f"token {number}": one for number, one in enumerate(tokens)},
        "BSN": HANNA,
        **{name: value for name, value in vars(paths).items() if name in paths.NOWHERE},
    }
    return {"private key": key.private_numbers().private_value.to_bytes(32)} | {
        name: text.encode() for name, text in texts.items()
    }


def found_in(text: bytes, secrets: Mapping[str, bytes | str]) -> list[str]:
    """The names of those that stand in the text, in any form."""
    raw = {name: one.encode() if isinstance(one, str) else one for name, one in secrets.items()}
    return [name for name, secret in raw.items() if any(form in text for form in forms_of(secret))]


def forms_of(raw: bytes) -> Iterable[bytes]:
    """As it is, in hexadecimal, and in Base64 at each of the three places where it can begin."""
    yield raw
    yield raw.hex().encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        # The first and the last characters depend on what stands beside it.
        whole = encoded[4 if before else 0 : (len(raw) + before) // 3 * 4]
        if len(whole) >= 12:
            yield whole


def test_the_search_finds_a_secret_in_every_form():
    secret = {"sleutel": b"een-heel-geheime-sleutel"}
    for before in (b"", b"x", b"xy", b"xyz"):
        text = before + secret["sleutel"] + b"z"
        for form in (text, text.hex().encode(), base64.b64encode(text)):
            assert found_in(form, secret) == ["sleutel"]
    assert found_in(b"niets van dat alles", secret) == []
