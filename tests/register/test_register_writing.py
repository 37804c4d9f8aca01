"""Openings and closings become durable together, and each caller hears what became of its own."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.errors import Blocked, IdentityUnavailable, NotPermitted, RegisterUnavailable
from gateway.records import year_of
from gateway.register import Pace, Permission, Receipt, RegisterWriter, Stale
from tests.register.stage import Stage, uuid7


async def test_an_opening_is_the_permission_and_a_closing_gives_the_receipt(
    stage: Stage, writer: RegisterWriter
) -> None:
    opening = stage.opening()
    before = time.monotonic()
    permission = await writer.open(opening)
    assert isinstance(permission, Permission)
    assert before <= permission.asked_at <= time.monotonic()
    [row] = stage.rows("SELECT * FROM register.opening")
    tenant = stage.tenants[0]
    assert (row["id"], row["tenant_id"], row["number"], row["refusal"]) == (opening.id, tenant.tenant_id, 1, None)
    assert (row["afnemer_id"], row["certificate_oin"]) == (tenant.afnemer_id, tenant.oin)
    assert (permission.number, permission.hash) == (1, row["hash"])
    assert [r["id"] for r in stage.rows("SELECT id FROM register.running")] == [opening.id]

    receipt = await writer.close(stage.closing(opening, ("999990019", "999990020")))
    [closed] = stage.rows("SELECT * FROM register.closing")
    assert receipt == Receipt(1, closed["hash"])
    assert (closed["persons"], closed["outcome"], closed["status"]) == (2, "beantwoord", 200)
    assert stage.rows("SELECT id FROM register.running") == []
    index = stage.sealer.person_index(tenant.tenant_id, year_of(opening.id), "999990020")
    assert [r["id"] for r in stage.rows("SELECT id FROM register.person WHERE person = %s", index)] == [opening.id]


async def test_the_span_of_a_caller_is_kept_beside_its_opening_where_the_tenant_has_a_log(
    stage: Stage, writer: RegisterWriter
) -> None:
    with_log, without = stage.tenants[:2]
    stage.change(
        "INSERT INTO registry.logboek_destination (tenant_id, url, key_sealed) VALUES (%s, 'https://log.example', 'x')",
        with_log.tenant_id,
    )
    openings = [stage.opening(one, caller_span=b"\1" * 8) for one in (with_log, without)]
    silent = stage.opening(with_log)
    await asyncio.gather(*map(writer.open, (*openings, silent)))
    assert stage.rows("SELECT count(*) AS n FROM register.opening") == [{"n": 3}]
    [row] = stage.rows("SELECT tenant_id, id, span FROM register.caller_span")
    assert (row["tenant_id"], row["id"], bytes(row["span"])) == (with_log.tenant_id, openings[0].id, b"\1" * 8)


async def test_many_calls_at_once_share_few_statements(stage: Stage, writer: RegisterWriter) -> None:
    openings = [stage.opening(tenant) for _ in range(100) for tenant in stage.tenants]
    await asyncio.gather(*map(writer.open, openings[:200]))
    await asyncio.gather(*map(writer.open, openings[200:]), *(writer.close(stage.closing(o)) for o in openings[:200]))
    assert writer.figures.rows == 500
    assert writer.figures.statements <= 10
    assert stage.rows("SELECT count(DISTINCT tx) AS n FROM register.opening")[0]["n"] <= 10
    stage.assert_gapless()


async def test_a_data_key_is_written_once_and_before_what_lies_under_it(stage: Stage, writer: RegisterWriter) -> None:
    for _ in range(3):
        opening = stage.opening()
        await writer.open(opening)
        await writer.close(stage.closing(opening))
    assert len(stage.rows("SELECT data_key_id FROM register.data_key")) == 1
    assert stage.rows("SELECT DISTINCT data_key_id FROM register.opening") == stage.rows(
        "SELECT data_key_id FROM register.data_key"
    )


async def test_a_data_key_that_the_register_lost_is_sent_again(stage: Stage, writer: RegisterWriter) -> None:
    first = stage.opening()
    await writer.open(first)
    stage.change("DELETE FROM register.data_key")
    assert isinstance(await writer.open(stage.opening()), Permission)
    stage.change("DELETE FROM register.data_key")
    assert (await writer.close(stage.closing(first))).number == 1


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("INSERT INTO registry.blokkade VALUES ('afnemer', '000000', 'r', 'b')", "geblokkeerd"),
        ("UPDATE registry.credential SET state = 'retired'", "ingetrokken"),
        ("UPDATE registry.taaksysteem_key SET valid_until = now()", "verlopen"),
    ],
)
async def test_what_no_longer_stands_is_refused_and_recorded(
    stage: Stage, writer: RegisterWriter, statement, code
) -> None:
    stage.change(statement)
    with pytest.raises(Blocked) as refused:
        await writer.open(stage.opening())
    assert refused.value.code == code
    assert stage.rows("SELECT number, refusal FROM register.opening") == [{"number": 1, "refusal": code}]
    assert stage.rows("SELECT id FROM register.running") == []
    assert writer.unsettled == 0


async def test_a_stale_version_asks_to_choose_again_and_records_nothing(stage: Stage, writer: RegisterWriter) -> None:
    stage.change("UPDATE registry.machtiging SET doelbinding = 'anders'")
    assert await writer.open(stage.opening()) == Stale()
    assert stage.rows("SELECT id FROM register.opening") == []
    assert isinstance(await writer.open(stage.opening(machtiging_version=2)), Permission)
    stage.assert_gapless()


async def test_a_mismatch_of_tenants_cannot_be_written(stage: Stage, writer: RegisterWriter) -> None:
    mine, other = stage.tenants[:2]
    foreign = stage.opening(mine, machtiging_id=other.machtiging_id)
    with pytest.raises(IdentityUnavailable) as refused:
        await writer.open(foreign)
    assert refused.value.code == "registerKentIdentiteitNiet"
    assert stage.rows("SELECT id FROM register.opening") == []


async def test_a_call_of_another_time_is_refused_by_the_clock(stage: Stage, writer: RegisterWriter) -> None:
    with pytest.raises(RegisterUnavailable) as refused:
        await writer.open(stage.opening(id=uuid7(time.time() - 90)))
    assert refused.value.code == "registerKlokVerschilt"


async def test_only_a_fetched_message_may_be_deleted(stage: Stage, writer: RegisterWriter) -> None:
    with pytest.raises(NotPermitted):
        await writer.open(stage.opening(messages=("bericht-1",)))
    fetching = stage.opening()
    await writer.open(fetching)
    await writer.close(stage.closing(fetching, messages=("bericht-1",)))
    assert isinstance(await writer.open(stage.opening(messages=("bericht-1",))), Permission)


async def test_a_refused_attempt_is_recorded_and_is_no_running_call(stage: Stage, writer: RegisterWriter) -> None:
    receipt = await writer.refuse(stage.refusal())
    [row] = stage.rows("SELECT number, hash, refusal, machtiging_id FROM register.opening")
    assert (row["refusal"], row["machtiging_id"]) == ("unauthorizedField", None)
    assert receipt == Receipt(row["number"], row["hash"])
    assert stage.rows("SELECT id FROM register.running") == []


async def test_a_refused_attempt_lands_with_no_other_tenant(stage: Stage, writer: RegisterWriter) -> None:
    foreign = stage.refusal(
        taaksysteem_tenant_id=stage.tenants[1].tenant_id, taaksysteem_id=stage.tenants[1].taaksysteem_id
    )
    with pytest.raises(IdentityUnavailable):
        await writer.refuse(foreign)
    assert stage.rows("SELECT id FROM register.opening") == []


@pytest.mark.parametrize("reason", [None, "gewijzigd", "onbekend"])
async def test_a_refused_attempt_needs_a_reason_of_its_own(stage: Stage, writer: RegisterWriter, reason) -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        await writer.refuse(stage.refusal(reason=reason))


async def test_a_closing_without_opening_is_refused(stage: Stage, writer: RegisterWriter) -> None:
    with pytest.raises(RegisterUnavailable) as refused:
        await writer.close(stage.closing(stage.opening()))
    assert (refused.value.code, refused.value.sent) == ("registerWeigertRegel", True)
    assert stage.rows("SELECT id FROM register.closing") == []
    assert stage.rows("SELECT id FROM register.person") == []


async def test_a_call_is_closed_once(stage: Stage, writer: RegisterWriter) -> None:
    opening = stage.opening()
    await writer.open(opening)
    closings = [writer.close(stage.closing(opening)) for _ in range(2)]
    results = await asyncio.gather(*closings, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Receipt", "RegisterUnavailable"]
    assert len(stage.rows("SELECT id FROM register.closing")) == 1


POISON = {
    "a NUL in a text": {"operation": "zo\x00ek"},
    "a lone surrogate": {"rubrieken": "\ud800"},
    "a number that is too large": {"machtiging_version": 2**40},
    "something that is no number": {"machtiging_version": "een"},
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_a_bad_opening_stands_alone(stage: Stage, writer: RegisterWriter, poison) -> None:
    openings = [stage.opening() for _ in range(20)]
    openings[7] = replace(openings[7], **poison)
    results = await asyncio.gather(*map(writer.open, openings), return_exceptions=True)
    _assert_only_the_eighth_failed(results, sent=False)
    assert (writer.ready, writer.figures.refused_rows, writer.figures.lost_sessions) == (True, 1, 0)
    assert writer.unsettled == 0
    stage.assert_gapless()


@pytest.mark.parametrize("poison", [{"status": 2**15}, {"outcome": "onbekend"}, {"token_us": None}], ids=str)
async def test_a_bad_closing_stands_alone(stage: Stage, writer: RegisterWriter, poison) -> None:
    openings = [stage.opening() for _ in range(20)]
    await asyncio.gather(*map(writer.open, openings))
    closings = [stage.closing(o) for o in openings]
    closings[7] = replace(closings[7], **poison)
    results = await asyncio.gather(*map(writer.close, closings), return_exceptions=True)
    _assert_only_the_eighth_failed(results, sent=True)
    assert [row["id"] for row in stage.rows("SELECT id FROM register.running")] == [openings[7].id]
    assert (writer.figures.lost_sessions, writer.unsettled) == (0, 0)
    stage.assert_gapless()


def _assert_only_the_eighth_failed(results, *, sent: bool) -> None:
    assert [n for n, result in enumerate(results) if isinstance(result, BaseException)] == [7]
    assert isinstance(results[7], RegisterUnavailable)
    assert (results[7].code, results[7].sent) == ("registerWeigertRegel", sent)


async def test_an_id_serves_one_call(stage: Stage, writer: RegisterWriter) -> None:
    twice = stage.opening()
    again = stage.opening(id=twice.id)
    results = await asyncio.gather(
        writer.open(twice), writer.open(again), writer.open(stage.opening()), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["Permission", "RegisterUnavailable", "Permission"]
    with pytest.raises(RegisterUnavailable):
        await writer.open(stage.opening(id=twice.id))
    stage.assert_gapless()


async def test_a_time_too_long_for_its_column_spoils_no_record(stage: Stage, writer: RegisterWriter) -> None:
    opening = stage.opening()
    await writer.open(opening)
    await writer.close(stage.closing(opening, total_us=2**40))
    assert stage.rows("SELECT total_us FROM register.closing") == [{"total_us": 2**31 - 1}]


async def test_two_sessions_write_side_by_side(stage: Stage, start) -> None:
    writer = await start(sessions=2, pace=Pace(rows=4))
    openings = [stage.opening(tenant) for _ in range(60) for tenant in stage.tenants]
    await asyncio.gather(*map(writer.open, openings))
    await asyncio.gather(*(writer.close(stage.closing(o)) for o in openings))
    assert stage.rows("SELECT count(DISTINCT writer_id) AS n FROM register.opening") == [{"n": 2}]
    assert stage.rows("SELECT count(*) AS n FROM register.closing") == [{"n": 180}]
    stage.assert_gapless()


async def test_the_register_of_proef_is_another_one(stage: Stage, start) -> None:
    writer = await start(schema="proef")
    with pytest.raises(IdentityUnavailable):
        await writer.open(stage.opening())
    assert stage.rows("SELECT id FROM proef.opening UNION ALL SELECT id FROM register.opening") == []


async def test_each_batch_is_told(stage: Stage, start) -> None:
    batches = []
    writer = await start(on_batch=lambda rows, seconds: batches.append((rows, seconds)))
    await writer.open(stage.opening())
    assert [rows for rows, _ in batches] == [1]
    assert 0 < batches[0][1] < 5
