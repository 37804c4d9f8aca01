"""Verifies an export, offline, or a live register, as its auditor. Both are judged by the same rules on the same lines."""

from collections.abc import Callable
from pathlib import Path

import asyncpg

from tenants.export.archive import LEZINGEN, lines_of_file, open_archive, plan_of
from tenants.export.lezingen import read_lezing_lines
from tenants.export.plan import Plan, find_tenant, make_plan
from tenants.export.running import RecordedReading
from tenants.finding import HIGHEST, LOWEST, moment_of, windows
from tenants.recording import Period, Reading, reading_scope
from tenants.verify.expecting import Trust, expect, note_timestamps, read_anchors
from tenants.verify.findings import Fault, Verdict
from tenants.verify.judging import Judge
from tenants.verify.readings import Readings

_TELL_EVERY = 10_000
_MOST_LOOKS = 3
OnProgress = Callable[[int, int], None]

# How far the sealer was, at one moment. Rows that it has passed are all there from then on: what is counted of them month by month
# afterwards is what there was, but for what was destroyed meanwhile, with proof.
_PASSED = """
SELECT t.size AS leaves, c.source, c.tx::text AS tx, c.after_tenant, c.after_id,
  ('x' || right(replace(c.after_id::text, '-', ''), 16))::bit(64)::bigint AS after_number
FROM register.seal_cursor c LEFT JOIN register.tree t ON t.tenant_id = $1
"""
_CALLS = (
    "SELECT count(*) FROM register.{} o WHERE o.tenant_id = $1 AND o.id >= $2 AND o.id < $3 "
    "AND (o.tx, o.tenant_id, o.id) <= ($4::text::xid8, $5::bigint, $6::uuid)"
)
_BOUNDS = (
    "SELECT least((SELECT o.id FROM register.opening o WHERE o.tenant_id = $1 ORDER BY o.id LIMIT 1), "
    "  (SELECT c.id FROM register.closing c WHERE c.tenant_id = $1 ORDER BY c.id LIMIT 1)), "
    "greatest((SELECT o.id FROM register.opening o WHERE o.tenant_id = $1 ORDER BY o.id DESC LIMIT 1), "
    "  (SELECT c.id FROM register.closing c WHERE c.tenant_id = $1 ORDER BY c.id DESC LIMIT 1))"
)
_WIJZIGINGEN = (
    "SELECT count(*) FROM registry.wijziging w WHERE w.tenant_id = $1 "
    "AND (w.tx, w.tenant_id, w.number) <= ($2::text::xid8, $3::bigint, $4::bigint)"
)


def verify_archive(path: Path, trust: Trust, on_progress: OnProgress) -> Verdict:
    """Verify an export with nothing but what the reader trusts. Raises ArchiveError, BadNote, OSError."""
    with open_archive(path) as (manifest, lines):
        plan = plan_of(manifest)
        expected, faults = expect(plan, trust)
        judge = Judge(expected)
        readings = Readings(whole=manifest.get("period") is None)
        first, until = plan.span
        take, hear = judge.take, readings.take
        for count, line in enumerate(lines, 1):
            take(line)
            hear(line)
            if count % _TELL_EVERY == 0:
                on_progress(count, until - first)
    records = lines_of_file(path, LEZINGEN)
    if records is not None:
        faults += readings.judge(records)
    return _verdict(plan, judge, faults, trust, ())


async def verify_live(
    connection: asyncpg.Connection,
    oin: str,
    trust: Trust,
    on_progress: OnProgress,
    *,
    reason: str,
    actor: str,
    period: Period | None = None,
) -> Verdict:
    """Verify a register where it is, in a recorded reading. Raises InputRefused, NotFound, TreeDamaged, BadNote.

    What was destroyed while it looked, by a proof that was signed after it began, is no fault: then it looks again.
    """
    tenant_id = await find_tenant(connection, oin)
    reading = Reading("verificatie", reason, contents=False, period=period)
    recorded = RecordedReading(connection, tenant_id, reading, actor)
    for _ in range(_MOST_LOOKS):
        plan, verdict = await _look(recorded, oin, trust, on_progress, period)
        async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
            now = await make_plan(connection, tenant_id, oin, period)
        if verdict.first is None or len(now.proofs) == len(plan.proofs):
            break
    return verdict


async def _look(
    recorded: RecordedReading, oin: str, trust: Trust, on_progress: OnProgress, period: Period | None
) -> tuple[Plan, Verdict]:
    connection, tenant_id, actor = recorded.connection, recorded.tenant_id, recorded.actor
    async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
        plan = await make_plan(connection, tenant_id, oin, period, read_anchors(trust))
    expected, faults = expect(plan, trust)
    judge, readings = Judge(expected), Readings(whole=period is None)
    first, until = plan.span
    async for lines in recorded.stream(plan.span):
        for line in lines:
            judge.take(line)
            readings.take(line)
        on_progress(judge.tally.rows, until - first)
    notes = [f"the sealer noted: {fault}" for fault in plan.faults]
    if plan.tree_size > expected.signed.size:
        notes.append(f"{plan.tree_size - expected.signed.size} leaves are newer than the last checkpoint")
    if period is None:
        rows, leaves = await _count_passed(recorded)
        faults += _uncounted(rows, leaves - judge.tally.gone)
    records = [line async for lines in read_lezing_lines(connection, tenant_id, period, actor=actor) for line in lines]
    faults += readings.judge(records)
    return plan, _verdict(plan, judge, faults, trust, tuple(notes))


async def _count_passed(recorded: RecordedReading) -> tuple[int, int]:
    """Rows that the sealer has passed, and leaves that it has made; a month at a time, so that no step takes long."""
    connection, tenant_id, actor = recorded.connection, recorded.tenant_id, recorded.actor
    async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
        cursors = {row["source"]: row for row in await connection.fetch(_PASSED, tenant_id)}
        lowest, highest = await connection.fetchrow(_BOUNDS, tenant_id)
        last = cursors["wijziging"]
        rows: int = await connection.fetchval(
            _WIJZIGINGEN, tenant_id, last["tx"], last["after_tenant"], last["after_number"]
        )
    # Of years without a key too, which nothing here could have been recorded in.
    years = () if lowest is None else range(moment_of(lowest).year, moment_of(highest).year + 1)
    for low, high in windows(years, LOWEST, HIGHEST):
        for source in ("opening", "closing"):
            last = cursors[source]
            async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
                rows += await connection.fetchval(
                    _CALLS.format(source), tenant_id, low, high, last["tx"], last["after_tenant"], last["after_id"]
                )
    return rows, last["leaves"] or 0


def _uncounted(rows: int, leaves: int) -> list[Fault]:
    """Rows that the sealer passed and that no leaf stands for, or the other way about among those not yet signed."""
    if rows > leaves:
        return [Fault("extra_row", None, f"{rows - leaves} rows")]
    if rows < leaves:
        return [Fault("missing_row", None, f"{leaves - rows} rows among those that were sealed")]
    return []


def _verdict(plan: Plan, judge: Judge, faults: list[Fault], trust: Trust, notes: tuple[str, ...]) -> Verdict:
    found = judge.finish()
    # Rows first, by their place; then what is about the whole, unless a row explains it.
    ordered = [one for one in found if one.leaf is not None] + faults + [one for one in found if one.leaf is None]
    if judge.open_calls:
        notes = (*notes, f"{judge.open_calls} calls have no closing: their outcome is not known")
    if judge.tally.proved:
        notes = (*notes, f"{judge.tally.proved} rows were destroyed, with proof")
    if judge.tally.gone > judge.tally.proved and trust.gone_before is not None:
        notes = (*notes, f"{judge.tally.gone - judge.tally.proved} rows are gone with their term")
    notes = (*notes, *note_timestamps(plan, trust))
    signed = judge.expected.signed
    sizes = tuple(one.size for one in read_anchors(trust))
    return Verdict(signed.origin, signed.size, plan.span, judge.tally, tuple(ordered), sizes, notes)
