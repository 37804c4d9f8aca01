"""Whatever happens between the steps of a rotation: every row opens with the new keyring, and none is lost.

Steps of a rotation (read a batch, exchange it) are mixed with what tenants do meanwhile: new secrets sealed with the old
public half by a process that has not been reloaded, or with the new one, secrets that are exchanged for others, keys that
are destroyed, and a rotation that dies and begins again.
"""

import asyncio
from dataclasses import dataclass, field

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.keyring import Keyring, add_version, drop_version, make_keyring, public_half
from tenants.rotating.rows import START, Place, Sealed, list_sealed
from tenants.rotating.running import exchange_or_pass, rotate, seal_anew
from tenants.sealing import seal
from tests.rotating.opening import open_all

OLD = make_keyring("identity")
NEW = add_version(OLD)
STEP = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 3)),
    st.just(("exchange", 0)),
    st.just(("die", 0)),
    st.tuples(st.sampled_from(["add old", "add new", "change old", "change new", "destroy"]), st.integers(0, 5)),
)


@dataclass
class Run:
    """The rotation under way, and what each row must say in the clear."""

    admin: asyncpg.Connection
    rotating: asyncpg.Connection
    tenant_id: int
    expected: dict[int, bytes] = field(default_factory=dict)
    after: Place = START
    found: list[Sealed] = field(default_factory=list)
    number: int = 0

    async def do(self, what: str, argument: int) -> None:
        if what == "read":
            self.found = await list_sealed(self.rotating, "identity", below=2, after=self.after, most=argument)
            self.after = self.found[-1].place if self.found else START
        elif what == "exchange":
            opened, failed = seal_anew(NEW, self.found)
            assert not failed
            await exchange_or_pass([one for one, _ in opened], [made for _, made in opened], self.rotating)
            self.found = []
        elif what == "die":
            self.after, self.found = START, []
        elif what.startswith("add"):
            await self.write(NEW if what.endswith("new") else OLD)
        elif self.expected:
            row = sorted(self.expected)[argument % len(self.expected)]
            if what == "destroy":
                await self.admin.execute("DELETE FROM registry.credential WHERE credential_id = $1", row)
                del self.expected[row]
            else:
                await self.write(NEW if what.endswith("new") else OLD, row)

    async def write(self, keyring: Keyring, row: int | None = None) -> None:
        """A tenant's process seals a secret: a new one, or another in the place of one."""
        self.number += 1
        secret = f"secret {self.number}".encode()
        client = f"client-{row or self.number}"
        if row is not None:
            client = await self.admin.fetchval(
                "SELECT client_id FROM registry.credential WHERE credential_id = $1", row
            )
        sealed = seal(public_half(keyring), secret, purpose="client-secret", context=f"{self.tenant_id}/{client}")
        if row is None:
            row = await self.admin.fetchval(
                "INSERT INTO registry.credential (tenant_id, afnemer_id, environment, client_id, secret_sealed) "
                "VALUES ($1, '990001', 'proef', $2, $3) RETURNING credential_id",
                self.tenant_id, client, sealed,
            )  # fmt: skip
        else:
            await self.admin.execute(
                "UPDATE registry.credential SET secret_sealed = $2 WHERE credential_id = $1", row, sealed
            )
        self.expected[row] = secret


def test_any_interleaving_leaves_every_row_openable_and_none_lost(database):
    async def prepare() -> None:
        admin = await asyncpg.connect(database.url("admin"))
        await admin.execute(
            "INSERT INTO registry.tenant (oin, name, kind) VALUES ('00000001001234567000', 'Gemeente', 'gemeente')"
        )
        await admin.execute(
            "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind, gemeentecode) "
            "SELECT tenant_id, '990001', oin, 'Gemeente', 'gemeente', '0001' FROM registry.tenant"
        )
        await admin.close()

    async def play(steps: list[tuple[str, int]]) -> None:
        admin, rotating = await asyncpg.connect(database.url("admin")), await asyncpg.connect(database.url("keys"))
        try:
            await admin.execute("DELETE FROM registry.credential")
            run = Run(admin, rotating, await admin.fetchval("SELECT tenant_id FROM registry.tenant"))
            for _ in range(3):
                await run.write(OLD)
            for what, argument in steps:
                await run.do(what, argument)
                found = await open_all(admin, NEW)
                assert {place[2]: secret for place, secret in found.items()} == run.expected
            await rotate(rotating, NEW, batch=2)
            left, _ = drop_version(NEW, 1)
            assert {place[2]: secret for place, secret in (await open_all(admin, left)).items()} == run.expected
        finally:
            await admin.close()
            await rotating.close()

    asyncio.run(prepare())

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEP, max_size=14))
    def check(steps: list[tuple[str, int]]) -> None:
        asyncio.run(play(steps))

    check()
