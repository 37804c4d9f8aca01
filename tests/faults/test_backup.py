"""Backups of an installation that goes on working, put back elsewhere: what they hold, and how an old one is told.

A base backup with its log loses nothing. A dump holds one moment. Whatever was put back, a checkpoint that was delivered
outside says whether it is the newest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tenants.checkpoints import VerifierKey, make_signing_key, origin_of, read_signing_keys
from tenants.sealer.signing import Signer
from tenants.verify.expecting import Trust
from tenants.verify.findings import Verdict
from tenants.verify.receipts import check_live, read_receipts
from tenants.verify.running import verify_live
from tests.export.stage import quiet
from tests.faults.clusters import Rack, conninfo_of, url_of
from tests.faults.nodes import NAME, Node
from tests.faults.scene import Scene, scene
from tests.trees.stage import seal, sign_all

GAPS = (
    "SELECT writer_id, tenant_id FROM register.{} GROUP BY 1, 2"
    " HAVING min(number) <> 1 OR max(number) <> count(*) OR count(DISTINCT number) <> count(*)"
)


@dataclass(slots=True)
class Officer:
    """Seals and signs on whatever node it is given, remembers outside of it what it signed, and verifies."""

    signer: Signer

    @property
    def memory(self) -> Path:
        assert self.signer.directory is not None
        return self.signer.directory

    def checkpoint(self, here: Scene) -> str:
        """The newest checkpoint of the first tenant, as it was delivered outside."""
        return (self.memory / f"{here.members[0].account.oin}.checkpoint").read_text()

    async def sign(self, node: Node) -> list[bool]:
        """Seal all that is new, and sign every tree that has grown; tell which were signed."""
        async with connected(node, "sealer") as sealing:
            await seal(sealing)
            return await sign_all(sealing, self.signer)

    async def verify(self, node: Node, here: Scene, *anchors: str) -> Verdict:
        """Verify the register of the first tenant as it stands on this node."""
        oin = here.members[0].account.oin
        (key,) = self.signer.keys
        trust = Trust([VerifierKey(origin_of(self.signer.prefix, oin), key.public_key().public_bytes_raw())], anchors)
        async with connected(node, "inzage") as reader:
            return await verify_live(reader, oin, trust, quiet, reason="na terugzetten", actor="auditor")

    async def count_lost_receipts(self, node: Node, here: Scene) -> int:
        """How many answers that callers of the first tenant have a receipt of are not in this register."""
        member = here.members[0]
        receipts = [
            one.headers["x-protocol-bewijs"] for one in here.caller.ledger if one.status == 200 and one.member is member
        ]
        async with connected(node, "inzage") as reader:
            checked = await check_live(
                reader, member.account.oin, read_receipts(receipts), reason="na terugzetten", actor="auditor"
            )
        assert checked.receipts == len(receipts) > 0
        return len(checked.faults)


@contextlib.asynccontextmanager
async def connected(node: Node, role: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(node.database.url(role))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def officer(tmp_path: Path) -> Officer:
    memory = tmp_path / "outside"
    memory.mkdir()
    return Officer(Signer(tuple(read_signing_keys(make_signing_key())), "koppelpunt.example", memory))


def assert_numbers_have_no_gap(node: Node) -> None:
    for table in ("opening", "closing"):
        assert node.execute(GAPS.format(table), NAME) == []


async def test_a_base_backup_with_its_log_loses_nothing_and_the_service_goes_on_there(
    servers: Rack, stock, tmp_path, caller, officer: Officer
):
    archive = servers.make_directory("archive")
    main = servers.migrated("main", stock, archive_mode="on", archive_command=f"cp %p {archive}/%f")
    elsewhere = servers.node("elsewhere")
    url = url_of("gateway", main, elsewhere)
    async with scene(main, tmp_path / "world", caller, url=url) as here:
        backup = servers.directory / "backup"
        await here.do(
            servers.run, "pg_basebackup", "-d", conninfo_of(main, "backup"), "-D", backup, "--checkpoint=fast"
        )
        await here.answers()
        assert await officer.sign(main) == [True, True]
        await here.answers()
        # The machine is given up: what it had committed is in the log, of which the last file is still its own.
        await here.do(main.stop)
        await here.do(take_over_log, main, archive)
        await here.do(servers.restore, elsewhere, backup, archive)
        await here.answers()
        await here.settle(elsewhere)
        assert_numbers_have_no_gap(elsewhere)
        assert await officer.count_lost_receipts(elsewhere, here) == 0
        before = officer.checkpoint(here)
        assert await officer.sign(elsewhere) == [True, True]
        assert (await officer.verify(elsewhere, here, before, officer.checkpoint(here))).faults == ()


async def test_a_dump_under_load_is_one_moment_and_the_service_goes_on_from_it(
    servers: Rack, stock, tmp_path, caller, officer: Officer
):
    main = servers.migrated("main", stock, epoch=1)
    # Numbers of transactions stand in the register: those of the new server must go on above those of the old one.
    elsewhere = servers.empty("elsewhere", epoch=2)
    async with scene(main, tmp_path / "world", caller) as here:
        assert await officer.sign(main) == [True, True]
        await here.answers()
        dump = servers.directory / "dump"
        source = ["-d", conninfo_of(main, "dump") + f" dbname={NAME}"]
        roles = await asyncio.to_thread(servers.run, "pg_dumpall", *source, "--roles-only")
        await here.do(servers.run, "pg_dump", *source, "--format=custom", "--file", dump)
        await here.answers()
        await here.rest()
        target = conninfo_of(elsewhere, "restore")
        await here.do(restore_roles, servers, f"{target} dbname=postgres", roles)
        await here.do(servers.run, "pg_restore", "-d", f"{target} dbname={NAME}", "--exit-on-error", "--jobs=2", dump)
        assert_numbers_have_no_gap(elsewhere)
        assert (await officer.verify(elsewhere, here, officer.checkpoint(here))).faults == ()
        # Whoever was answered after the dump has a receipt that this register does not answer for.
        assert await officer.count_lost_receipts(elsewhere, here) > 0
        await go_on_at(here, elsewhere)
        assert_numbers_have_no_gap(elsewhere)
        before = officer.checkpoint(here)
        assert await officer.sign(elsewhere) == [True, True]
        assert (await officer.verify(elsewhere, here, before, officer.checkpoint(here))).faults == ()


async def test_an_old_backup_is_told_by_what_was_delivered_outside(
    servers: Rack, stock, tmp_path, caller, officer: Officer
):
    main = servers.migrated("main", stock)
    async with scene(main, tmp_path / "world", caller) as here:
        assert await officer.sign(main) == [True, True]
        backup = servers.directory / "backup"
        await here.do(
            servers.run, "pg_basebackup", "-d", conninfo_of(main, "backup"), "-D", backup, "--checkpoint=fast"
        )
        await here.answers()
        assert await officer.sign(main) == [True, True]
        delivered = officer.checkpoint(here)
        await here.rest()
        await here.do(main.stop)
        elsewhere = servers.node("elsewhere")
        await here.do(servers.restore, elsewhere, backup)
        # By itself it is whole; only what is kept elsewhere shows that it is not the newest.
        assert (await officer.verify(elsewhere, here)).faults == ()
        (fault,) = (await officer.verify(elsewhere, here, delivered)).faults
        assert fault.code == "rolled_back"
        assert await officer.count_lost_receipts(elsewhere, here) > 0
        # Calls go on, since they are recorded; but nothing is signed over what was delivered.
        await go_on_at(here, elsewhere)
        assert await officer.sign(elsewhere) == [False, False]
        assert officer.checkpoint(here) == delivered


async def go_on_at(here: Scene, node: Node) -> None:
    """Let a gateway of this world serve from another node, and call it."""
    async with here.world.gateways(1, database_url=node.database.url("gateway"), durability="disk") as (gateway,):
        calls = [await here.caller.call(gateway.url, member) for member in here.members for _ in range(10)]
    assert {one.status for one in calls} == {200}


def take_over_log(main: Node, archive: Path) -> None:
    """What the archiver had not come to: the files that stand only with the server that was given up."""
    for file in (main.data / "pg_wal").iterdir():
        if file.is_file() and not (archive / file.name).exists():
            (archive / file.name).write_bytes(file.read_bytes())
            (archive / file.name).chmod(0o644)


def restore_roles(servers: Rack, target: str, roles: str) -> None:
    """Make the roles of the dump, but for the superuser that is there, and the database."""
    script = roles.replace("CREATE ROLE postgres;", "") + f"\nCREATE DATABASE {NAME};\n"
    servers.run("psql", "-d", target, "-q", "-v", "ON_ERROR_STOP=1", input=script)
