"""Isolation, read from the catalogue and tried as each role: a tenant's register is the tenant's.

When a migration changes a grant on purpose, `grants.txt` changes with it, where a reviewer sees it.
"""

import asyncpg
import pytest

from tenants.scope import tenant_scope
from tests.db.calls import CLOSING, OPENING, closing, data_key, opening, uuid7
from tests.db.grants import declared, granted
from tests.worlds import mandate_and_machtiging

SCHEMAS = ("registry", "register", "proef", "auth")
REGISTER = [
    f"{schema}.{table}"
    for schema in ("register", "proef")
    for table in ("opening", "closing", "person", "question_shape", "running", "fetched_message", "data_key", "writer")
]


async def test_grants_are_as_declared(admin):
    assert await granted(admin) == declared()


async def test_every_table_with_a_tenant_is_under_a_forced_policy(admin):
    rows = await admin.fetch(
        "SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, "
        "  EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid) AS policed "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped "
        "WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        SCHEMAS,
    )
    assert len(rows) >= 24
    assert [row["name"] for row in rows if not (row["forced"] and row["policed"])] == []


async def test_every_policy_of_readers_names_the_scope_unless_its_role_serves_all_tenants(admin):
    rows = await admin.fetch(
        "SELECT p.polrelid::regclass || ' ' || p.polname FROM pg_policy p "
        "JOIN pg_class c ON c.oid = p.polrelid AND c.relnamespace IN ('register'::regnamespace, 'proef'::regnamespace) "
        "WHERE p.polroles && (SELECT array_agg(oid) FROM pg_roles WHERE rolname IN ('koppelpunt_tenants', 'koppelpunt_inzage')) "
        "  AND pg_get_expr(COALESCE(p.polqual, p.polwithcheck), p.polrelid) NOT LIKE '%tenant_id = registry.scope()%'"
    )
    assert [row[0] for row in rows] == []


async def test_no_policy_holds_for_everyone(admin):
    assert await admin.fetchval("SELECT count(*) FROM pg_policy WHERE 0 = ANY (polroles)") == 0


async def test_nothing_is_granted_on_a_partition(admin):
    rows = await admin.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x "
        "WHERE n.nspname = ANY ($1) AND c.relispartition AND x.grantee <> c.relowner",
        SCHEMAS,
    )
    assert [row[0] for row in rows] == []
    assert await admin.fetchval("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'") > 10


async def test_nothing_is_granted_to_everyone(admin):
    assert [line for line in await granted(admin) if line.startswith("PUBLIC")] == []


async def test_no_role_of_the_product_can_log_in_or_pass_row_level_security(admin):
    rows = await admin.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'koppelpunt\\_%' AND (rolcanlogin OR rolsuper OR rolbypassrls "
        "OR rolcreaterole OR rolcreatedb OR rolreplication)"
    )
    assert [row[0] for row in rows] == []


async def test_no_role_of_the_product_is_a_member_of_another(admin):
    assert await admin.fetchval(
        "SELECT count(*) FROM pg_auth_members WHERE member IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'koppelpunt\\_%')"
    ) == 0  # fmt: skip


async def test_every_function_with_its_owners_rights_has_a_fixed_search_path(admin):
    rows = await admin.fetch(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = ANY ($1) AND p.prosecdef "
        "  AND NOT COALESCE('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)",
        SCHEMAS,
    )
    assert [row[0] for row in rows] == []


@pytest.mark.parametrize("table", REGISTER)
@pytest.mark.parametrize("role", ["gateway", "tenants", "sealer"])
async def test_the_register_can_be_neither_read_nor_changed_by(connect, table, role):
    connection = await connect(role)
    column = "instance" if table.endswith("writer") else "tenant_id"
    for statement in (
        f"SELECT * FROM {table}",  # noqa: S608
        f"INSERT INTO {table} DEFAULT VALUES",
        f"UPDATE {table} SET {column} = NULL",  # noqa: S608
        f"DELETE FROM {table}",  # noqa: S608
        f"TRUNCATE {table}",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"DROP TABLE {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(statement)


async def test_nobody_reaches_a_partition_directly(connect, admin):
    name = await admin.fetchval(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'register.opening'::regclass LIMIT 1"
    )
    for role in ("gateway", "tenants", "sealer", "inzage"):
        connection = await connect(role)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM {name}")  # noqa: S608


async def test_the_owner_of_the_tables_sees_no_record_either(connect, writer, world):
    await writer.open(world)
    owner = await connect("owner")
    for table in ("opening", "closing", "person", "data_key"):
        assert await owner.fetchval(f"SELECT count(*) FROM register.{table}") == 0  # noqa: S608


async def test_a_reader_of_the_register_sees_nothing_without_its_scope(connect, writer, world):
    await writer.open(world)
    reader = await connect("inzage")
    assert await reader.fetchval("SELECT count(*) FROM register.running") == 0
    async with tenant_scope(reader, world.tenant_id + 1, actor="auditor"):
        assert await reader.fetchval("SELECT count(*) FROM register.running") == 0
    async with tenant_scope(reader, world.tenant_id, actor="auditor"):
        assert await reader.fetchval("SELECT count(*) FROM register.running") == 1


async def test_a_reader_of_the_register_never_sees_proef(connect):
    reader = await connect("inzage")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch("SELECT * FROM proef.opening")


async def test_the_gateway_has_no_index_key_of_another_year(connect, admin, world):
    await admin.execute(
        "INSERT INTO registry.tenant_key (tenant_id, year, public_key, private_key_sealed, index_key_for_gateway, "
        "index_key_for_register) SELECT tenant_id, 2021, public_key, private_key_sealed, index_key_for_gateway, "
        "index_key_for_register FROM registry.tenant_key LIMIT 1"
    )
    gateway = await connect("gateway")
    years = {row["year"] for row in await gateway.fetch("SELECT year FROM registry.tenant_key")}
    assert years
    assert 2021 not in years
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway.fetch("SELECT private_key_sealed FROM registry.tenant_key")


FOREIGN = {
    "tenant_id": "tenant_id", "machtiging_id": "machtiging_id", "aansluiting_id": "aansluiting_id",
    "taaksysteem_tenant_id": "tenant_id", "taaksysteem_id": "taaksysteem_id", "key_id": "key_id",
    "credential_id": "credential_id", "fingerprint": "fingerprint",
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
async def test_an_opening_that_names_another_tenant_in_one_field_cannot_be_written(writer, world, other, admin, name):
    row = opening(world, **{name: getattr(other, FOREIGN[name])})
    keys = [data_key(row), (row["data_key_id"], world.tenant_id, 2026, b"wrapped")]
    (answer,) = await writer.write([row], keys=keys[: 2 if name == "tenant_id" else 1])
    assert answer.verdict in {"onbekend", "gewijzigd"}
    assert await admin.fetchval("SELECT count(*) FROM register.opening") == 0
    assert await admin.fetchval("SELECT count(*) FROM register.running") == 0


@pytest.mark.parametrize("names", [("taaksysteem_tenant_id", "taaksysteem_id", "key_id"), ("taaksysteem_id", "key_id")])
async def test_another_tenants_taaksysteem_cannot_use_this_ones_machtiging(writer, world, other, admin, names):
    answer, _ = await writer.open(world, **{name: getattr(other, FOREIGN[name]) for name in names})
    assert answer.verdict == "onbekend"


async def test_a_mandated_machtiging_serves_only_the_taaksysteem_that_it_names(writer, world, other, registrar):
    _, machtiging_id = await mandate_and_machtiging(registrar, world, other)
    answer, _ = await writer.open(world, machtiging_id=machtiging_id)
    assert answer.verdict == "onbekend"


async def test_a_data_key_of_another_tenant_seals_nothing_of_this_one(writer, world, other):
    _, foreign = await writer.open(other)
    answer, _ = await writer.open(world, data_key_id=foreign["data_key_id"])
    assert answer.verdict == "sleutel"


async def test_a_refused_attempt_cannot_be_written_for_another_tenant(writer, world, other, admin):
    answer, _ = await writer.open(world, refusal="nietGemachtigd", tenant_id=other.tenant_id)
    assert answer.verdict == "onbekend"
    assert await admin.fetchval("SELECT count(*) FROM register.opening") == 0


async def test_a_closing_cannot_be_written_for_another_tenants_call(writer, world, other, admin):
    _, mine = await writer.open(world)
    _, theirs = await writer.open(other)
    for wrong in (
        closing(mine, tenant_id=other.tenant_id),
        closing(mine, id=theirs["id"]),
        closing(mine, data_key_id=theirs["data_key_id"]),
        closing(mine, tenant_id=other.tenant_id, data_key_id=theirs["data_key_id"]),
    ):
        (answer,) = await writer.write(closings=[wrong])
        assert answer.verdict == "geen_opening"
    assert await admin.fetchval("SELECT count(*) FROM register.closing") == 0
    assert await admin.fetchval("SELECT count(*) FROM register.running") == 2


async def test_persons_and_messages_of_a_closing_are_its_own_tenants(writer, world, other, admin):
    _, mine = await writer.open(world)
    await writer.write(
        closings=[closing(mine)],
        persons=[(mine["id"], other.tenant_id, uuid7(), ""), (mine["id"], world.tenant_id, uuid7(), "")],
        messages=[(mine["id"], other.tenant_id, "m1"), (mine["id"], world.tenant_id, "m2")],
    )
    for table in ("person", "fetched_message"):
        rows = await admin.fetch(f"SELECT tenant_id FROM register.{table}")  # noqa: S608
        assert [row[0] for row in rows] == [world.tenant_id]


async def test_the_types_of_the_writing_function_are_those_that_the_tests_fill(admin):
    for name, expected in (("opening_in", OPENING), ("closing_in", CLOSING)):
        rows = await admin.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass ORDER BY attnum", f"register.{name}"
        )
        assert tuple(row[0] for row in rows) == expected
