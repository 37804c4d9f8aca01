"""Two hundred afnemers behind one host name: nobody's call ever leaves with anything of another.

Twenty thousand calls, interleaved and concurrent, over two gateways and both versions of TLS, while certificates and
secrets are rotated. Callers, simulator and register are compared call by call.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import uvloop

from gateway.simulator.seen import Seen
from tenants.changes import rotate_certificate, rotate_credential
from tenants.registry import add_certificate, add_credential
from tenants.scope import tenant_scope
from tests.databases import Database
from tests.e2e.ledgers import BERICHTEN, Called, Caller, Row, check_ledgers, trace_of, unique_question, until
from tests.world import ACTOR, Member, World, with_secret, world

AFNEMERS = 200
QUESTIONS_EACH = 95
CALLS_EACH = QUESTIONS_EACH + 5
AT_ONCE = 96
KEPT_FOR_THE_END = AFNEMERS * CALLS_EACH // 5
PERSONS = ("999941112", "999941501", "999941902", "999942311", "999942712", "999943108", "999943509", "999943911")


@dataclass(slots=True)
class Rotated:
    """The change of a member's certificate or secret: the certificate from then on, and when, in Unix seconds."""

    fingerprint: str
    began: float
    committed: float


@dataclass(slots=True)
class Run:
    """What is sent, and by what it is known when it arrives. `post` is the one message in each member's mailbox."""

    world: World
    caller: Caller
    urls: Sequence[str]
    post: dict[int, str]
    jobs: list[tuple[Member, bool]]
    rotated: dict[int, Rotated] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    has_rotated: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, number: int) -> None:
        """Do one job after another, at one gateway after the other."""
        while self.jobs:
            if len(self.jobs) <= KEPT_FOR_THE_END:
                await self.has_rotated.wait()
            if not self.jobs:
                return
            member, asks = self.jobs.pop()
            url = self.urls[(number + len(self.jobs)) % len(self.urls)]
            await (self.ask(url, member) if asks else self.read_post(url, member))

    async def ask(self, url: str, member: Member) -> None:
        bsn = PERSONS[member.number % len(PERSONS)]
        called = await self.caller.call(url, member, unique_question(bsn))
        assert called.status == 200, called.body
        assert [one["burgerservicenummer"] for one in called.document["personen"]] == [bsn]
        called.body = b""

    async def read_post(self, url: str, member: Member) -> None:
        """Every mailbox holds one message, its own; a neighbour's is unknown in it, and stays where it is."""
        members = self.world.members
        mine, foreign = self.post[member.number], self.post[members[member.number % len(members)].number]
        counted = await self._post(url, member, "/telling?soort=niet-opgehaald")
        assert counted.document["aantalBerichten"] == 1
        listed = await self._post(url, member, "")
        assert [one["berichtTransportId"] for one in listed.document["berichten"]] == [mine]
        other = await self._post(url, member, f"/{foreign}")
        assert other.document["opgehaaldeBerichten"] == []
        fetched = await self._post(url, member, f"/{mine}")
        (message,) = fetched.document["opgehaaldeBerichten"]
        assert message["berichtInhoud"]["voor"] == member.account.afnemer_id
        deleted = await self._post(url, member, f"/{mine}", "DELETE")
        assert deleted.document.get("nietVerwijderdeBerichten", []) == []

    async def _post(self, url: str, member: Member, rest: str, method: str = "GET") -> Called:
        called = await self.caller.call(url, member, path=BERICHTEN + rest, method=method)
        assert called.status == 200, called.body
        return called

    async def rotate_all(self) -> None:
        """Give the odd members another certificate and the even ones another secret, one by one, in the middle."""
        start = len(self.jobs) * 0.7
        await until(lambda: len(self.jobs) < start, 120)
        for member in self.world.members:
            await (self.rotate_secret(member) if member.number % 2 == 0 else self.rotate_certificate(member))
        await asyncio.sleep(0.5)
        for account in self.world.simulator.afnemers.all():
            self.world.simulator.afnemers.change(account.client_id, previous_secrets=frozenset())
        self.has_rotated.set()

    async def rotate_certificate(self, member: Member) -> None:
        db, ground, account = self.world.tenants, self.world.ground, member.account
        issued = ground.pki.issue_client(account.oin, f"Gemeente {member.number}")
        began = time.time()
        async with tenant_scope(db, member.tenant_id, actor=ACTOR):
            certificate_id = await add_certificate(
                db, member.tenant_id, ground.identity, organisation_oin=account.oin, chain_pem=issued.chain_pem,
                key_pem=issued.key_pem, state="staged",
            )  # fmt: skip
            await rotate_certificate(db, member.tenant_id, member.aansluiting_id, certificate_id)
        self.rotated[member.number] = Rotated(issued.fingerprint, began, time.time())

    async def rotate_secret(self, member: Member) -> None:
        """A new secret of the same account; RvIG takes the old one too, until all is done."""
        db, ground, account = self.world.tenants, self.world.ground, member.account
        renewed = with_secret(account, f"nieuw-{member.number}")
        self.world.simulator.afnemers.put(renewed)
        began = time.time()
        async with tenant_scope(db, member.tenant_id, actor=ACTOR):
            credential_id = await add_credential(
                db, member.tenant_id, ground.identity, afnemer_id=account.afnemer_id, environment="productie",
                client_id=account.client_id, secret=renewed.client_secret, state="staged",
            )  # fmt: skip
            await rotate_credential(db, member.tenant_id, member.aansluiting_id, credential_id)
        self.rotated[member.number] = Rotated(member.issued.fingerprint, began, time.time())

    async def watch_versions(self) -> None:
        while True:
            self.note_versions()
            await asyncio.sleep(0.1)

    def note_versions(self) -> None:
        self.versions |= {number: one.tls_version for number, one in self.world.simulator.connections.items()}

    def fingerprint_fits(self, called: Called, seen: Seen) -> bool:
        """The old certificate until its rotation began, the new one from its end; either in between."""
        rotated = self.rotated[called.member.number]
        if seen.time < rotated.began:
            return seen.fingerprint == called.member.issued.fingerprint
        if called.began > rotated.committed:
            return seen.fingerprint == rotated.fingerprint
        return seen.fingerprint in {called.member.issued.fingerprint, rotated.fingerprint}


@pytest.mark.timeout(300)
def test_no_call_leaves_with_anything_of_another_afnemer(database, tmp_path):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(database, tmp_path / "world"))


async def _run(database: Database, directory: Path) -> None:
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(database, directory, tls_versions=versions))
        members = await here.add_members(AFNEMERS)
        gateways = await stack.enter_async_context(here.gateways(2))
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        jobs = [(member, asks) for member in members for asks in (*[True] * QUESTIONS_EACH, False)]
        random.shuffle(jobs)
        run = Run(here, Caller(session), [one.url for one in gateways], _deliver(here), jobs)
        watching = asyncio.create_task(run.watch_versions())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run.rotate_all())
            for number in range(AT_ONCE):
                tasks.create_task(run.work(number))
        run.note_versions()
        watching.cancel()
        rows = await check_ledgers(here, run.caller)
        _compare(run, rows)
        _check_tokens(run)
        _check_versions(run)


def _deliver(here: World) -> dict[int, str]:
    """Put one message into each mailbox; its number by the member's."""
    made = {}
    for member in here.members:
        content = {"berichtType": "Gv01", "voor": member.account.afnemer_id, "plData": {"c01": [{"e0120": PERSONS[0]}]}}
        made[member.number] = here.simulator.postbus.deliver(member.account.mailbox_id or "", content)
    return made


def _compare(run: Run, rows: Sequence[Row]) -> None:
    """Each call is once in all three ledgers, and everywhere with what belongs to its caller."""
    assert len(run.rotated) == AFNEMERS
    assert len(run.caller.ledger) == AFNEMERS * CALLS_EACH == len(run.world.seen()) == len(rows)
    seen_by_trace = {trace_of(one): one for one in run.world.seen()}
    row_by_trace = {row.trace_id: row for row in rows}
    for called in run.caller.ledger:
        seen, row, member = seen_by_trace[called.trace], row_by_trace[called.trace], called.member
        account = member.account
        assert run.fingerprint_fits(called, seen)
        assert _identity_of(seen) == _identity(member)
        assert (seen.token_afnemer_id, seen.token_oin, seen.mailbox) == (
            account.afnemer_id, account.oin, account.mailbox_id
        )  # fmt: skip
        assert (seen.body_sha256, seen.status) == (called.body_sha256, 200)
        assert (row.tenant_id, row.afnemer_id, row.organisation_oin, row.certificate_oin, row.fingerprint) == (
            member.tenant_id, account.afnemer_id, account.oin, account.oin, seen.fingerprint
        )  # fmt: skip
        assert (row.aansluiting_id, row.machtiging_id, row.taaksysteem_tenant_id, row.taaksysteem_id) == (
            member.aansluiting_id, member.machtiging_id, member.tenant_id, member.taaksysteem_id
        )  # fmt: skip
        assert (row.api, row.refusal, row.outcome, row.status) == (seen.api, None, "beantwoord", 200)


def _identity(member: Member) -> tuple[str, str, str]:
    return member.account.oin, member.account.client_id, member.scope


def _identity_of(seen: Seen) -> tuple[str | None, str | None, str | None]:
    return seen.certificate_oin, seen.client_id, seen.scope


def _check_tokens(run: Run) -> None:
    """Tokens, too, are asked for with the certificate, client-ID and scope of one afnemer, and again after a rotation."""
    by_client = {member.account.client_id: member for member in run.world.members}
    before, after = Counter[str](), Counter[str]()
    for one in run.world.simulator.seen.tokens():
        member = by_client[one.client_id or ""]
        rotated = run.rotated[member.number]
        assert one.status == 200
        assert _identity_of(one) == _identity(member)
        assert one.fingerprint in {member.issued.fingerprint, rotated.fingerprint}
        (before if one.time < rotated.began else after)[member.account.client_id] += 1
    assert set(before) == set(after) == set(by_client)


def _check_versions(run: Run) -> None:
    """Both versions of TLS carried their part."""
    carried = Counter(run.versions[one.connection] for one in run.world.seen() if one.connection in run.versions)
    assert set(carried) == {"TLSv1.2", "TLSv1.3"}
    assert min(carried.values()) > AFNEMERS * CALLS_EACH * 0.2
