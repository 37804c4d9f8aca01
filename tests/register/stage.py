"""What the tests of the register's writer stand on: tenants in the registry, openings and closings of their calls."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from gateway.records import RecordSealer, year_of
from gateway.register import Closing, Opening, Server, WriterSettings
from tenants.keyring import Keyring, make_keyring
from tenants.model import TenantKey
from tenants.sealing import make_tenant_year, open_sealed
from tests.databases import Database

RECORD: dict[str, Any] = {"user": "j.jansen", "source": "192.0.2.7", "headers": {"x-user": "j.jansen"}, "query": ""}


@dataclass(frozen=True, slots=True)
class Registered:
    """One tenant with one afnemer, aansluiting, taaksysteem and machtiging; versions are those of a new row."""

    tenant_id: int
    oin: str
    afnemer_id: str
    certificate_id: int
    fingerprint: bytes
    credential_id: int
    aansluiting_id: int
    taaksysteem_id: int
    key_id: int
    machtiging_id: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A database with tenants, and a sealer for their records."""

    database: Database
    tenants: tuple[Registered, ...]
    register_keyring: Keyring
    tenant_keys: Mapping[tuple[int, int], TenantKey]
    sealed_privates: Mapping[tuple[int, int], bytes]
    sealer: RecordSealer

    def settings(self, **changes: Any) -> WriterSettings:
        """Settings of a writer of productie; `url`, `connect_seconds` … go to its server."""
        server = Server(self.database.url("gateway"), "register", "test", connect_seconds=2.0, durability="none")
        of_server = {name: changes.pop(name) for name in list(changes) if name in Server.__dataclass_fields__}
        return replace(WriterSettings(replace(server, **of_server)), **changes)

    def seal_unsent(self, opening: Opening):
        return self.sealer.seal_closing(opening.tenant_id, opening.id, persons=(), answer=None, headers={})

    def opening(self, tenant: Registered | None = None, **changes: Any) -> Opening:
        """An opening that the registry lets through."""
        tenant = tenant or self.tenants[0]
        id = changes.pop("id", None) or uuid7()  # noqa: A001
        record = self.sealer.seal_opening(tenant.tenant_id, id, question=b'{"type":"X"}', **RECORD)
        made = Opening(
            id=id,
            tenant_id=tenant.tenant_id,
            taaksysteem_tenant_id=tenant.tenant_id,
            taaksysteem_id=tenant.taaksysteem_id,
            taaksysteem_version=1,
            key_id=tenant.key_id,
            api="personen",
            operation="zoek",
            record=record,
            machtiging_id=tenant.machtiging_id,
            machtiging_version=1,
            aansluiting_id=tenant.aansluiting_id,
            aansluiting_version=1,
            credential_id=tenant.credential_id,
            fingerprint=tenant.fingerprint,
            question_type="RaadpleegMetBurgerservicenummer",
            zoekrubrieken="010120",
            rubrieken="010120 010210",
        )
        return replace(made, **changes)

    def refusal(self, tenant: Registered | None = None, reason: str = "unauthorizedField", **changes: Any) -> Opening:
        """An attempt that the gateway refused itself: no aansluiting, no machtiging."""
        nothing = dict.fromkeys(
            (
                "machtiging_id", "machtiging_version", "aansluiting_id", "aansluiting_version", "credential_id",
                "fingerprint",
            )
        )  # fmt: skip
        return self.opening(tenant, refusal=reason, **nothing, **changes)

    def closing(self, opening: Opening, persons: tuple[str, ...] = ("999990019",), **changes: Any) -> Closing:
        """The closing of a call that was answered."""
        year = year_of(opening.id)
        record = self.sealer.seal_closing(
            opening.tenant_id, opening.id, persons=persons, answer=b'{"personen":[]}', headers={}
        )
        indexes = tuple((self.sealer.person_index(opening.tenant_id, year, bsn), "") for bsn in persons)
        made = Closing(opening.id, opening.tenant_id, "beantwoord", record, status=200, persons=indexes)
        return replace(made, **changes)

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Read as superuser, whom no policy holds."""
        with psycopg.connect(self.database.url("admin"), autocommit=True, row_factory=dict_row) as admin:
            return admin.execute(query, arguments).fetchall()

    def change(self, statement: str, *arguments: object) -> None:
        with psycopg.connect(self.database.url("admin"), autocommit=True) as admin:
            admin.execute(statement, arguments)

    def assert_gapless(self) -> None:
        """Counters per (writer, tenant) run 1, 2, 3 … in both tables, and every closing has its opening."""
        for table in ("opening", "closing"):
            wrong = self.rows(
                f"SELECT writer_id, tenant_id, count(*), min(number), max(number) FROM register.{table}"  # noqa: S608
                " GROUP BY 1, 2 HAVING min(number) <> 1 OR max(number) <> count(*) OR count(DISTINCT number) <> count(*)"
            )
            assert wrong == []
        assert self.rows("SELECT id FROM register.closing EXCEPT SELECT id FROM register.opening") == []


def uuid7(at: float | None = None) -> UUID:
    """Make a UUIDv7 (RFC 9562, 5.7) of a moment in seconds; now, unless said otherwise."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    random = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & ((1 << 62) - 1))


def make_stage(database: Database, tenants: int = 1) -> Stage:
    """Register so many tenants in productie, each with keys of this year."""
    identity, register = make_keyring("identity"), make_keyring("register")
    year = time.gmtime().tm_year
    keys, privates, registered = {}, {}, []
    with psycopg.connect(database.url("admin")) as admin:
        for number in range(tenants):
            tenant = _register(admin, number)
            registered.append(tenant)
            made = make_tenant_year(tenant.tenant_id, year, identity, register)
            admin.execute(
                "INSERT INTO registry.tenant_key VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    tenant.tenant_id, year, made.public_key, made.private_key_sealed, made.index_key_for_gateway,
                    made.index_key_for_register,
                ),
            )  # fmt: skip
            place = (tenant.tenant_id, year)
            keys[place] = TenantKey(*place, made.public_key, made.index_key_for_gateway)
            privates[place] = made.private_key_sealed
    sealer = RecordSealer(lambda tenant_id, of_year: keys.get((tenant_id, of_year)), identity)
    return Stage(database, tuple(registered), register, keys, privates, sealer)


def private_key(stage: Stage, tenant_id: int, year: int) -> bytes:
    """Open a tenant's private key of a year, as only the reading side can."""
    sealed = stage.sealed_privates[tenant_id, year]
    return open_sealed(stage.register_keyring, sealed, purpose="tenant-key", context=f"{tenant_id}/{year}")


def _register(admin: psycopg.Connection, number: int) -> Registered:
    oin, afnemer_id = f"00000001{number:09d}000", f"{number:06d}"
    fingerprint = secrets.token_bytes(32)

    def one(query: str, *arguments: object) -> int:
        row = admin.execute(query, arguments).fetchone()
        assert row is not None
        return int(row[0])

    tenant_id = one(
        "INSERT INTO registry.tenant (oin, name, kind) VALUES (%s, %s, 'overheidsorgaan') RETURNING tenant_id",
        oin, f"Organisatie {number}",
    )  # fmt: skip
    admin.execute(
        "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind) VALUES (%s, %s, %s, 'a', 'overheidsorgaan')",
        (tenant_id, afnemer_id, oin),
    )
    certificate_id = one(
        "INSERT INTO registry.certificate (tenant_id, organisation_oin, oin, fingerprint, public_key_hash, chain_pem,"
        " key_sealed, not_before, not_after, state) VALUES (%s, %s, %s, %s, %s, 'pem', 'k', now() - interval '1 day',"
        " now() + interval '1 day', 'active') RETURNING certificate_id",
        tenant_id, oin, oin, fingerprint, secrets.token_bytes(32),
    )  # fmt: skip
    credential_id = one(
        "INSERT INTO registry.credential (tenant_id, afnemer_id, environment, client_id, secret_sealed)"
        " VALUES (%s, %s, 'productie', 'c', 's') RETURNING credential_id",
        tenant_id, afnemer_id,
    )  # fmt: skip
    aansluiting_id = one(
        "INSERT INTO registry.aansluiting (tenant_id, afnemer_id, organisation_oin, environment, pattern, certificate_id,"
        " credential_id, state) VALUES (%s, %s, %s, 'productie', 'standaard', %s, %s, 'productie') RETURNING aansluiting_id",
        tenant_id, afnemer_id, oin, certificate_id, credential_id,
    )  # fmt: skip
    taaksysteem_id = one(
        "INSERT INTO registry.taaksysteem (tenant_id, name, environment) VALUES (%s, 't', 'productie') RETURNING taaksysteem_id",
        tenant_id,
    )
    key_id = one(
        "INSERT INTO registry.taaksysteem_key (tenant_id, taaksysteem_id, kind, hash, hash_version)"
        " VALUES (%s, %s, 'api-key', %s, 1) RETURNING key_id",
        tenant_id, taaksysteem_id, secrets.token_bytes(32),
    )  # fmt: skip
    machtiging_id = one(
        "INSERT INTO registry.machtiging (tenant_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, doelbinding,"
        " grondslag, ontvanger, verwerkingsactiviteit, rights) VALUES (%s, %s, %s, %s, 'd', 'g', 'o', 'v', '{}') RETURNING machtiging_id",
        tenant_id, aansluiting_id, tenant_id, taaksysteem_id,
    )  # fmt: skip
    return Registered(
        tenant_id, oin, afnemer_id, certificate_id, fingerprint, credential_id, aansluiting_id, taaksysteem_id, key_id,
        machtiging_id,
    )  # fmt: skip
