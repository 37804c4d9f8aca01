"""Runs cases: every group in a world of its own, each case by itself, and the register read when all have been asked.

The gateway is a process, as in productie; the simulator is in this one, so that a case can say what its source answers
and see what reached it. The autorisatietabel of a case stands on both sides: with the simulator whole, as RvIG's, and in
the registry as the besluiten of the afnemer that asks.
"""

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import aiohttp
import asyncpg
import orjson

from gateway.judging import dutch_today
from gateway.simulator.autorisatie import parse_addresses, parse_table
from tenants.protocolregels import Protocolregel
from tenants.reading import read_calls
from tenants.searches import MOST
from tests.conformance.answers import source_answer
from tests.conformance.cases import Case, Claims
from tests.conformance.catalogue import catalogue_for
from tests.conformance.judging import Came, Verdict, judge
from tests.conformance.registering import ENVIRONMENT, Asker, register_askers, register_besluiten, share_out
from tests.conformance.table import besluiten_of, filled_table
from tests.databases import Cluster, fresh_database
from tests.world import ACTOR, GatewayProcess, World, world

SECONDS_PER_CASE: Final = 15.0
_SNAPSHOT_AGE: Final = b"koppelpunt_snapshot_age_seconds "
_UNSENT: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_Register = Mapping[UUID, Protocolregel]


@dataclass(frozen=True, slots=True)
class Asked:
    """A case that was asked: what came of it and, where the gateway gave one, its transaction id."""

    case: Case
    tenant_id: int
    came: Came
    transaction: UUID | None


def run_files(files: Mapping[str, Sequence[Case]], cluster: Cluster) -> dict[str, list[Verdict]]:
    """Run the cases of every file; the verdicts are in the order of the cases."""
    runnable = [case for cases in files.values() for case in cases if case.fault is None]
    found: dict[int, Verdict] = {}
    for claims in share_out(case.claims for case in runnable):
        those = [case for case in runnable if case.claims in claims]
        for case, verdict in zip(those, asyncio.run(_run_world(those, claims, cluster)), strict=True):
            found[id(case)] = verdict
    return {
        name: [
            Verdict(case.id, (case.fault,), case.told) if case.fault is not None else found[id(case)] for case in cases
        ]
        for name, cases in files.items()
    }


async def _run_world(cases: Sequence[Case], claims: Sequence[Claims], cluster: Cluster) -> list[Verdict]:
    with fresh_database(cluster) as database, tempfile.TemporaryDirectory() as directory:
        catalogue = catalogue_for(cases)
        async with world(database, Path(directory), environment=ENVIRONMENT, catalogue=catalogue) as made:
            askers = await register_askers(made, claims)
            asked: dict[int, Asked | Verdict] = {}
            async with made.gateways() as (gateway,), _session() as session:
                # Cases with the same table follow each other, so that it is registered once.
                for place in sorted(range(len(cases)), key=lambda place: _table_key(cases[place])):
                    case = cases[place]
                    asker = askers[case.claims]
                    await _authorise(case, asker, made, gateway, session)
                    asked[place] = await _ask(case, asker, made, gateway, session)
            return await _judge_all([asked[place] for place in range(len(cases))], made)


def _table_key(case: Case) -> tuple[Claims, str]:
    return case.claims, repr(case.table)


async def _authorise(
    case: Case, asker: Asker, made: World, gateway: GatewayProcess, session: aiohttp.ClientSession
) -> None:
    """Let RvIG and the registry have the table of the case, and RvIG its addresses; wait until the gateway knows."""
    today = dutch_today()
    simulator = made.simulator
    simulator.autorisatie.table = None if case.table is None else parse_table(filled_table(case.table, today))
    simulator.autorisatie.addresses = parse_addresses(list(case.addresses))
    # Nothing but this changes the registry here, so whatever is read from now on is read because of it, and with it.
    before = time.monotonic()
    if await register_besluiten(made, asker, case.claims.afnemer_id, besluiten_of(case, today)):
        async with asyncio.timeout(SECONDS_PER_CASE):
            while await _read_at(gateway, session) < before:  # noqa: ASYNC110 - the gateway is another process
                await asyncio.sleep(0.002)


async def _read_at(gateway: GatewayProcess, session: aiohttp.ClientSession) -> float:
    """When, at the earliest, the gateway has last read the registry."""
    asked = time.monotonic()
    async with session.get(f"http://127.0.0.1:{gateway.watch}/metrics") as answer:
        lines = (await answer.read()).splitlines()
    return asked - next(float(line.removeprefix(_SNAPSHOT_AGE)) for line in lines if line.startswith(_SNAPSHOT_AGE))


async def _ask(
    case: Case, asker: Asker, made: World, gateway: GatewayProcess, session: aiohttp.ClientSession
) -> Asked | Verdict:
    """Ask one case while nothing else is asked, so that what the simulator sees is of this case."""
    simulator = made.simulator
    simulator.settings = dataclasses.replace(simulator.settings, existing_gezag_oins=case.existing_gezag_oins)
    rule = source_answer(case, asker.client_id)
    number = None if rule is None else simulator.faults.add(rule)
    before = simulator.seen.count
    try:
        async with session.request(
            case.method,
            gateway.url + case.path,
            data=None if case.body is None else orjson.dumps(case.body),
            headers={**case.headers, "X-API-KEY": asker.api_key},
        ) as answer:
            content = await answer.read()
            came = Came(answer.status, answer.content_type, _decoded(content))
            transaction = answer.headers.get("X-Transactie-Id")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Verdict(case.id, (f"no answer: {type(error).__name__}",), case.told)
    finally:
        if number is not None:
            simulator.faults.remove(number)
    reached = [one for one in simulator.seen.all(since=before) if one.kind == "api"]
    came = dataclasses.replace(
        came, calls=len(reached), upstream=reached[0].source_headers if len(reached) == 1 else None
    )
    return Asked(case, asker.tenant_id, came, None if transaction is None else UUID(transaction))


async def _judge_all(asked: Iterable[Asked | Verdict], made: World) -> list[Verdict]:
    """Read the register for those that expect records, and judge them all."""
    asked = list(asked)
    about = [one for one in asked if isinstance(one, Asked) and one.case.expected.records is not None]
    register = await _read_register(about, made)
    verdicts = []
    for one in asked:
        if isinstance(one, Verdict):
            verdicts.append(one)
            continue
        came, reasons = one.came, list[str]()
        row = None if one.transaction is None else register.get(one.transaction)
        if row is not None:
            records, reasons = _records_of(row)
            came = dataclasses.replace(came, records=records)
        verdicts.append(Verdict(one.case.id, (*reasons, *judge(one.case.expected, came)), one.case.told))
    return verdicts


async def _read_register(asked: Sequence[Asked], made: World) -> _Register:
    """Read the rows as a tenant's auditor does, each tenant for itself."""
    rows: dict[UUID, Protocolregel] = {}
    connection = await asyncpg.connect(made.database.url("inzage"))
    try:
        for tenant_id in sorted({one.tenant_id for one in asked}):
            ids = [one.transaction for one in asked if one.tenant_id == tenant_id and one.transaction is not None]
            for start in range(0, len(ids), MOST):
                part = ids[start : start + MOST]
                read = await read_calls(
                    connection, made.ground.register, tenant_id, part, actor=ACTOR, reason="conformiteit"
                )
                rows |= {row.id: row for row in read}
    finally:
        await connection.close()
    return rows


def _records_of(row: Protocolregel) -> tuple[list[dict[str, str]], list[str]]:
    """RvIG's form of a row, one record per person disclosed; and what is wrong with the row itself."""
    if row.closing is None or row.contents is None or row.contents.closing is None:
        return [], [f"the row in the register cannot be read whole: {row.outcome}"]
    persons: list[str] = row.contents.closing["persons"]
    faults = []
    if row.closing.persons != len(persons) or row.closing.unidentified:
        faults.append(
            f"{len(persons)} persons sealed, {row.closing.persons} indexed, {row.closing.unidentified} unidentified"
        )
    rubrieken = {"request_zoek_rubrieken": row.zoekrubrieken, "request_gevraagde_rubrieken": row.rubrieken}
    return [{"burgerservicenummer": bsn, **rubrieken} for bsn in persons], faults


def _session() -> aiohttp.ClientSession:
    """A caller that sends the headers of the case and nothing of its own."""
    timeout = aiohttp.ClientTimeout(total=SECONDS_PER_CASE)
    return aiohttp.ClientSession(skip_auto_headers=_UNSENT, timeout=timeout)


def _decoded(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
