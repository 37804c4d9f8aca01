"""The end of a contract: nothing goes before the tenant's own auditor has confirmed what it received; then everything does."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tenants.faults import InputRefused
from tenants.retention.contract import Kind, digest_of, is_destroyed, list_steps, note_step
from tests.retention.stage import THIS_YEAR, Past, month_of

RECENT = date(THIS_YEAR - 1, 3, 1)
NOW = month_of(datetime.now(UTC))
OPERATOR, AUDITOR, BEHEERDER = "command line (root)", "auditor/3", "beheerder/4"


@pytest.fixture
async def ending(past: Past, tmp_path):
    """Exported and handed over; only the confirmation is missing."""
    await past.had(RECENT, 3)
    await past.calls.record(past.world, 2)
    await past.seal()
    await past.admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", past.world.tenant_id)
    digest = digest_of(await past.export(tmp_path / "last"))
    size = await past.admin.fetchval(
        "SELECT max(size) FROM register.checkpoint WHERE tenant_id = $1", past.world.tenant_id
    )
    steps: tuple[tuple[Kind, dict[str, Any]], ...] = (
        ("begonnen", {}),
        ("geexporteerd", {"digest": digest, "tree_size": size}),
        ("ontvangen", {"digest": digest, "note": "J. Jansen, FG"}),
    )
    for kind, given in steps:
        await note_step(past.reader, past.world.tenant_id, kind, actor=OPERATOR, **given)
    return past, digest


async def confirm(past: Past, digest: bytes) -> None:
    """The word of two of the tenant's own."""
    for kind, who in (("bevestigd", AUDITOR), ("meebevestigd", BEHEERDER)):
        await note_step(past.reader, past.world.tenant_id, kind, actor=who, digest=digest, note="Akkoord")  # type: ignore[arg-type]


async def test_without_the_auditors_word_nothing_goes(ending):
    past, digest = ending
    with pytest.raises(InputRefused, match="auditor"):
        await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=OPERATOR, digest=digest)
    with pytest.raises(InputRefused, match="another archive"):
        await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=b"x" * 32)
    await past.destroy()
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((3, 3, 3), (2, 2, 2))


async def test_after_it_everything_goes_with_proof_and_the_tree_stays(ending, tmp_path):
    past, digest = ending
    tenant_id = past.world.tenant_id
    await confirm(past, digest)
    await past.seal()
    await past.destroy(rounds=6)
    await past.destroy(rounds=2)
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((0, 0, 0), (0, 0, 0))
    for table in ("register.data_key", "register.reading", "registry.tenant_key WHERE destroyed_at IS NULL AND true"):
        assert await past.admin.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608
    grounds = await past.admin.fetch("SELECT DISTINCT ground FROM register.vernietiging")
    assert [row[0] for row in grounds] == ["contracteinde"]
    horizon = datetime.now(UTC) + timedelta(days=1)
    assert await is_destroyed(past.reader, tenant_id, horizon, actor=OPERATOR)
    await note_step(past.reader, tenant_id, "voltooid", actor=OPERATOR)
    kinds = [one.kind for one in await list_steps(past.reader, tenant_id, actor=AUDITOR)]
    assert kinds[-3:] == ["bevestigd", "meebevestigd", "voltooid"]
    assert past.judge(tmp_path / "last").faults == ()
    await past.seal()
    assert (await past.verify()).faults == ()


_STATES = """
SELECT 'taaksysteem' AS what, state FROM registry.taaksysteem WHERE tenant_id = $1
UNION SELECT 'key', state FROM registry.taaksysteem_key WHERE tenant_id = $1
UNION SELECT 'idp', state FROM registry.idp WHERE tenant_id = $1
UNION SELECT 'aansluiting', state FROM registry.aansluiting WHERE tenant_id = $1
UNION SELECT 'certificate', state FROM registry.certificate WHERE tenant_id = $1
UNION SELECT 'credential', state FROM registry.credential WHERE tenant_id = $1
UNION SELECT 'contact', state FROM registry.contact WHERE tenant_id = $1
UNION SELECT 'logboek', state FROM registry.logboek_destination WHERE tenant_id = $1
"""


async def _furnish(past: Past, tenant_id: int) -> None:
    for table, columns, values in (
        (
            "idp",
            "name, issuer, jwks_url, audience",
            "'IDP', 'https://idp' || $1::bigint || '.example', 'https://x', 'k'",
        ),
        ("contact", "kind, name, email", "'fg', 'De FG', 'fg@example.nl'"),
        ("logboek_destination", "url, key_sealed, secret_sealed", "'https://log.example', 'k', 's'"),
    ):
        insert = f"INSERT INTO registry.{table} (tenant_id, {columns}) VALUES ($1, {values})"  # noqa: S608
        await past.admin.execute(insert, tenant_id)


async def test_with_the_second_confirmation_all_that_the_tenant_calls_sends_and_is_told_by_ends_at_once(ending, other):
    past, digest = ending
    tenant_id = past.world.tenant_id
    for one in (tenant_id, other.tenant_id):
        await _furnish(past, one)
    before, others = await past.admin.fetch(_STATES, tenant_id), await past.admin.fetch(_STATES, other.tenant_id)
    assert {row["what"] for row in before} == {
        "taaksysteem", "key", "idp", "aansluiting", "certificate", "credential", "contact", "logboek",
    }  # fmt: skip
    await note_step(past.reader, tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    assert set(await past.admin.fetch(_STATES, tenant_id)) == set(before)
    await note_step(past.reader, tenant_id, "meebevestigd", actor=BEHEERDER, digest=digest, note="Akkoord")
    assert dict(await past.admin.fetch(_STATES, tenant_id)) == {
        "taaksysteem": "ended", "key": "withdrawn", "idp": "ended", "aansluiting": "beeindigd", "certificate": "retired",
        "credential": "retired", "contact": "ended", "logboek": "ended",
    }  # fmt: skip
    sealed = await past.admin.fetchrow(
        "SELECT key_sealed, secret_sealed FROM registry.logboek_destination WHERE tenant_id = $1", tenant_id
    )
    assert tuple(sealed) == (None, None)
    assert set(await past.admin.fetch(_STATES, other.tenant_id)) == set(others)
    # In the history of the tenant, by who confirmed, in the transaction of that.
    history = await past.admin.fetch(
        "SELECT object, actor FROM registry.wijziging WHERE tenant_id = $1 AND tx = (SELECT max(tx::text)::xid8 FROM registry.wijziging "
        "  WHERE tenant_id = $1 AND object = 'contracteinde_stap')",
        tenant_id,
    )
    assert {row["object"] for row in history} == {
        "contracteinde_stap", "taaksysteem", "taaksysteem_key", "idp", "aansluiting", "certificate", "credential", "contact",
        "logboek_destination",
    }  # fmt: skip
    assert {row["actor"] for row in history} == {BEHEERDER}


async def test_a_stop_holds_at_the_end_of_a_contract_too(ending):
    past, digest = ending
    await past.set_stop()
    await confirm(past, digest)
    await past.destroy()
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((3, 3, 3), (2, 2, 2))


async def test_a_confirmation_that_was_withdrawn_destroys_nothing(ending):
    past, digest = ending
    await confirm(past, digest)
    await note_step(past.reader, past.world.tenant_id, "ingetrokken", actor=AUDITOR, note="Toch niet")
    await past.destroy()
    assert await past.counts(RECENT) == (3, 3, 3)


async def turn(past: Past, state: str) -> None:
    await past.admin.execute("UPDATE registry.tenant SET state = $2 WHERE tenant_id = $1", past.world.tenant_id, state)


async def test_a_tenant_that_has_not_ended_keeps_its_register_whatever_is_confirmed(ending):
    past, digest = ending
    await turn(past, "active")
    await confirm(past, digest)
    await past.destroy()
    assert await past.counts(RECENT) == (3, 3, 3)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await past.sealing.fetchval(
            "SELECT register.begin_vernietiging($1, $2, 0, 9, 'x')", past.world.tenant_id, RECENT
        )


async def test_a_call_that_the_confirmed_archive_does_not_hold_stays_and_is_told_of(ending):
    past, digest = ending
    await turn(past, "active")
    await past.calls.record(past.world, 4)
    await past.seal()
    await turn(past, "ended")
    await confirm(past, digest)
    planned = await past.sealing.fetch(
        "SELECT rows, held FROM register.plan_vernietiging($1, now() + interval '1 day') WHERE soort = 'protocolregels'",
        past.world.tenant_id,
    )
    assert sum(row["held"] for row in planned) == 8
    await past.seal()
    await past.destroy(rounds=6)
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((0, 0, 0), (4, 4, 4))
    horizon = datetime.now(UTC) + timedelta(days=1)
    assert not await is_destroyed(past.reader, past.world.tenant_id, horizon, actor=OPERATOR)
    # What is kept can still be read: its key is not destroyed.
    assert await past.admin.fetchval("SELECT count(*) FROM registry.tenant_key WHERE destroyed_at IS NULL") > 0
    await past.seal()
    assert (await past.verify()).faults == ()


async def test_a_tenant_that_gave_its_register_up_comes_back_only_when_that_is_taken_back(ending):
    past, digest = ending
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    for kind in ("meebevestigd", None):
        with pytest.raises(asyncpg.CheckViolationError, match="gave its register up"):
            await turn(past, "active")
        if kind == "meebevestigd":
            await note_step(past.reader, past.world.tenant_id, kind, actor=BEHEERDER, digest=digest, note="Akkoord")
    await note_step(past.reader, past.world.tenant_id, "ingetrokken", actor=AUDITOR, note="Toch niet")
    await turn(past, "active")


@pytest.mark.parametrize(
    "who", [AUDITOR, OPERATOR, "operator/9", "beheerder/4 (beheermandaat 2)", "auditor/3 (voorstel 5 van beheerder/4)"]
)
async def test_the_second_word_is_of_another_of_the_tenant_itself(ending, who):
    past, digest = ending
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    with pytest.raises(InputRefused, match="another auditor"):
        await note_step(past.reader, past.world.tenant_id, "meebevestigd", actor=who, digest=digest, note="Akkoord")
    await past.destroy()
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((3, 3, 3), (2, 2, 2))


async def test_one_person_with_two_keys_is_one_person(ending):
    past, digest = ending
    for role in ("auditor", "beheerder"):
        await past.admin.execute(
            "INSERT INTO registry.admin_key (tenant_id, role, name, hash, hash_version, valid_until) "
            "VALUES ($1, $2, 'sleutel', sha256($3), 1, now() + interval '1 day')",
            past.world.tenant_id, role, role.encode(),
        )  # fmt: skip
    await past.admin.execute("UPDATE registry.admin_key SET person = 'https://idp jansen'")
    keys = {row["role"]: row["key_id"] for row in await past.admin.fetch("SELECT role, key_id FROM registry.admin_key")}
    one, other = f"auditor/{keys['auditor']}", f"beheerder/{keys['beheerder']}"
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=one, digest=digest, note="Akkoord")
    with pytest.raises(InputRefused, match="another auditor"):
        await note_step(past.reader, past.world.tenant_id, "meebevestigd", actor=other, digest=digest, note="Akkoord")


async def test_what_is_being_destroyed_is_not_taken_back_and_a_stop_still_holds_what_is_left(ending):
    past, digest = ending
    await confirm(past, digest)
    await past.seal()
    await past.destroy(rounds=1)
    with pytest.raises(InputRefused, match="not taken back"):
        await note_step(past.reader, past.world.tenant_id, "ingetrokken", actor=AUDITOR, note="Toch niet")
    await past.set_stop()
    left = await past.counts(NOW)
    await past.seal()
    await past.destroy()
    assert await past.counts(NOW) == left != (0, 0, 0)


async def test_an_end_is_complete_when_nothing_is_left_and_not_before(ending):
    past, digest = ending
    await confirm(past, digest)
    with pytest.raises(InputRefused, match="is left"):
        await note_step(past.reader, past.world.tenant_id, "voltooid", actor=OPERATOR)


async def test_what_came_after_the_archive_goes_with_an_archive_that_holds_it(ending, tmp_path):
    past, digest = ending
    tenant_id = past.world.tenant_id
    await turn(past, "active")
    await past.calls.record(past.world, 4)
    await past.seal()
    await turn(past, "ended")
    await confirm(past, digest)
    await past.seal()
    await past.destroy(rounds=6)
    again = digest_of(await past.export(tmp_path / "again"))
    size = await past.admin.fetchval("SELECT max(size) FROM register.checkpoint WHERE tenant_id = $1", tenant_id)
    await note_step(past.reader, tenant_id, "geexporteerd", actor=OPERATOR, digest=again, tree_size=size)
    with pytest.raises(asyncpg.CheckViolationError, match="gave its register up"):
        await turn(past, "active")
    await note_step(past.reader, tenant_id, "ontvangen", actor=OPERATOR, digest=again, note="J. Jansen, FG")
    assert (await past.counts(NOW))[0] == 4
    await confirm(past, again)
    await past.seal()
    await past.destroy(rounds=6)
    await past.destroy(rounds=2)
    assert await past.counts(NOW) == (0, 0, 0)
    await note_step(past.reader, tenant_id, "voltooid", actor=OPERATOR)
