"""What the log says of a call, and what it never says."""

import dataclasses
from datetime import UTC, date, datetime
from uuid import UUID

from gateway.edge.strict import read_trace
from gateway.records import RecordSealer
from tests.db.calls import data_key, opening, uuid7

BSNS = ("999990019", "999990020", "999990032")


async def test_a_call_is_one_span_and_each_data_subject_one_below_it(stage):
    await stage.choose()
    row = await stage.record(*BSNS)
    await stage.seal()
    assert await stage.send() == 1
    (call,) = stage.collector.calls
    assert call.attributes["dpl.core.processing_activity_id"] == "Bijstand"
    assert call.attributes["koppelpunt.uitkomst"] == "beantwoord"
    assert call.attributes["koppelpunt.transactie"] == str(row["id"])
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["dpl.core.foreign_operation.processor"] == f"oin:{stage.world.oin}"
    assert (call.status, call.name) == (1, "personen POST")
    assert call.resource == {
        "service.name": "koppelpunt", "koppelpunt.organisation.oin": stage.world.oin,
        "koppelpunt.organisation.name": f"Gemeente {stage.world.afnemer_id}",
    }  # fmt: skip
    opened, closed = await stage.admin.fetchrow(
        "SELECT (extract(epoch FROM o.opened_at) * 1000000)::bigint, (extract(epoch FROM c.closed_at) * 1000000)::bigint "
        "FROM register.opening o JOIN register.closing c USING (tenant_id, id)"
    )
    assert (call.start, call.end) == (opened * 1000, closed * 1000)
    assert len(stage.collector.subjects) == 3
    assert len({one.id for one in stage.collector.received}) == 4
    for subject in stage.collector.subjects:
        assert (subject.trace, subject.parent) == (call.trace, call.id)
        assert subject.attributes["dpl.core.processing_activity_id"] == "Bijstand"
        assert subject.attributes["dpl.core.data_subject_id_type"] == "pseudoniem"
    assert len({one.attributes["dpl.core.data_subject_id"] for one in stage.collector.subjects}) == 3


async def test_the_trace_is_the_callers_and_the_span_is_the_parent_that_rvig_was_told(stage):
    await stage.choose()
    id_ = uuid7()
    told = read_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", id_)
    (row,) = await stage.calls.open(stage.world, 1, id=id_, trace_id=told.trace_id, span=told.caller_span)
    await stage.calls.close(stage.world, [row])
    # Without a trace of the caller's the transaction is one.
    own = uuid7()
    (row,) = await stage.calls.open(stage.world, 1, id=own, trace_id=read_trace(None, own).trace_id)
    await stage.calls.close(stage.world, [row])
    await stage.seal()
    await stage.send()
    first, second = stage.collector.calls
    assert (first.parent, second.parent) == ("b7ad6b7169203331", "")
    assert f"00-{first.trace}-{first.id}-01" == told.traceparent
    assert first.attributes["dpl.core.foreign_operation.trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert UUID(second.trace) == own
    assert read_trace(None, own).traceparent == f"00-{second.trace}-{second.id}-00"
    assert "dpl.core.foreign_operation.trace_id" not in second.attributes


async def test_the_callers_span_is_the_parent_of_a_refused_attempt_and_of_a_call_without_outcome_too(stage):
    await stage.choose(from_start=True)
    span = bytes.fromhex("b7ad6b7169203331")
    await stage.calls.open(stage.world, 1, refusal="buitenRecht", span=span)
    (row,) = await stage.calls.open(stage.world, 1, span=span)
    stage.export = dataclasses.replace(stage.export, open_after=stage.export.open_after * 0)
    await stage.seal()
    await stage.send()
    assert {one.message: one.parent for one in stage.collector.calls} == {
        "geweigerd": span.hex(), "uitkomst_onbekend": span.hex()
    }  # fmt: skip
    # When it ends after all, it is the same span below the same parent.
    await stage.calls.close(stage.world, [row])
    await stage.seal()
    await stage.send()
    assert [(one.message, one.parent) for one in stage.collector.calls if one.status == 1] == [("", span.hex())]


async def test_a_callers_span_is_kept_for_who_has_a_log_and_of_calls_that_were_written(stage, other):
    number = await stage.choose()
    span = b"\1" * 8
    (kept,) = await stage.calls.open(stage.world, 1, span=span)
    await stage.calls.open(other, 1, span=span)
    wrong = opening(stage.world, base=1, machtiging_version=9)
    (answer,) = await stage.calls.writer.write(
        [wrong], keys=[data_key(wrong)], spans=[(stage.world.tenant_id, wrong["id"], span)]
    )
    assert (answer.verdict, answer.number) == ("gewijzigd", None)
    rows = await stage.admin.fetch("SELECT tenant_id, id, span FROM register.caller_span")
    assert [tuple(row) for row in rows] == [(stage.world.tenant_id, kept["id"], span)]
    await stage.end(number)
    await stage.calls.open(stage.world, 1, span=span)
    assert await stage.admin.fetchval("SELECT count(*) FROM register.caller_span") == 1


async def test_the_span_of_a_caller_goes_with_the_call(stage, past):
    await stage.choose()
    gone = await past.had(date(datetime.now(UTC).year - 3, 3, 1), 2)
    (kept,) = await stage.calls.open(stage.world, 1, span=b"\1" * 8)
    for id_ in gone:
        await stage.admin.execute(
            "INSERT INTO register.caller_span VALUES ($1, $2, $3)", stage.world.tenant_id, id_, b"\2" * 8
        )
    await past.seal()
    await past.destroy()
    assert [row["id"] for row in await stage.admin.fetch("SELECT id FROM register.caller_span")] == [kept["id"]]


async def test_what_arrives_holds_no_number_name_user_question_or_index_of_the_register(stage):
    await stage.choose(secret="Bearer geheim")
    row = await stage.record(*BSNS)
    await stage.seal()
    await stage.send()
    octets = stage.collector.octets
    assert str(row["id"]).encode() in octets
    for text in (*BSNS, "j.jansen", "Anna", "192.0.2.7", "Burgerservicenummer", "010120", "geheim"):
        assert text.encode() not in octets
    for column in ("person", "id"):
        for found in await stage.admin.fetch(f"SELECT {column} AS it FROM register.person"):  # noqa: S608
            assert column == "id" or (found["it"].bytes not in octets and found["it"].hex.encode() not in octets)
            assert str(found["it"]).encode() not in octets or column == "id"
    user = await stage.admin.fetchval("SELECT user_index FROM register.opening")
    assert user.hex.encode() not in octets
    assert user.bytes not in octets


async def test_a_pseudonym_is_one_persons_in_one_year_at_one_tenant_and_one_destination(stage, other):
    first = await stage.choose()
    await stage.choose(other)
    await stage.record(BSNS[0])
    await stage.record(BSNS[0])
    await stage.record(BSNS[0], world=other)
    await stage.seal()
    await stage.send()
    names = [one.attributes["dpl.core.data_subject_id"] for one in stage.collector.subjects]
    assert len(names) == 3
    assert len(set(names)) == 2
    # The register's own index of another year is another number, and so is the pseudonym.
    keys = await stage.registrar_keys()
    sealer = RecordSealer(lambda tenant_id, year: keys.get((tenant_id, year)), stage.keyrings.identity)
    years = [year for tenant_id, year in keys if tenant_id == stage.world.tenant_id]
    assert len({sealer.person_index(stage.world.tenant_id, year, BSNS[0]) for year in years}) == len(years) == 2
    # Another destination has a key of its own.
    await stage.end(first)
    await stage.choose(from_start=True)
    stage.collector.received.clear()
    await stage.send()
    again = {one.attributes["dpl.core.data_subject_id"] for one in stage.collector.subjects}
    assert len(again) == 1
    assert again.isdisjoint(names)


async def test_a_refused_attempt_and_an_outcome_that_nobody_knows_are_told_as_such(stage):
    await stage.choose(from_start=True)
    refused = await stage.refuse("buitenRecht")
    unknown = await stage.leave_open(hours=2)
    young = await stage.leave_open(hours=0.5)
    (row,) = await stage.calls.open(stage.world, 1)
    await stage.calls.close(stage.world, [row], outcome="niet_beantwoord", status=None)
    (late,) = await stage.calls.open(stage.world, 1)
    await stage.calls.close(stage.world, [late], status=404)
    await stage.seal()
    await stage.send()
    found = {UUID(one.attributes["koppelpunt.transactie"]): one for one in stage.collector.calls}
    assert found.keys() == {refused, unknown, row["id"], late["id"]}
    assert young not in found
    assert {found[refused].message, found[unknown].message} == {"geweigerd", "uitkomst_onbekend"}
    assert found[row["id"]].message == "niet_beantwoord"
    assert found[late["id"]].attributes["http.response.status_code"] == 404
    assert {one.status for one in found.values()} == {2}
    assert found[refused].attributes["koppelpunt.weigering"] == "buitenRecht"
    assert found[refused].attributes["dpl.core.processing_activity_id"] == "onbekend"
    assert found[unknown].start == found[unknown].end
    # Once is enough.
    requests = len(stage.collector.requests)
    assert await stage.send() == 0
    assert len(stage.collector.requests) == requests


async def test_a_call_that_ends_after_all_is_the_same_span_with_its_outcome(stage):
    await stage.choose(from_start=True)
    (row,) = await stage.calls.open(stage.world, 1)
    export = stage.export
    stage.export = dataclasses.replace(export, open_after=export.open_after * 0)
    await stage.seal()
    await stage.send()
    (told,) = stage.collector.calls
    assert told.message == "uitkomst_onbekend"
    await stage.calls.close(stage.world, [row])
    await stage.seal()
    await stage.send()
    (now,) = stage.collector.calls
    assert (now.id, now.trace, now.status) == (told.id, told.trace, 1)
    assert len(stage.collector.subjects) == 1
