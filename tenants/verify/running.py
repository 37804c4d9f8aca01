"""Verifies an export, offline, or a live register, as its auditor. Both are judged by the same rules on the same lines."""

from collections.abc import Callable
from pathlib import Path

import asyncpg

from tenants.export.archive import open_archive, plan_of
from tenants.export.plan import Plan, find_tenant, make_plan
from tenants.export.running import RecordedReading
from tenants.recording import Period, Reading, reading_scope
from tenants.verify.expecting import Trust, expect, note_timestamps, read_anchors
from tenants.verify.findings import Fault, Verdict
from tenants.verify.judging import Judge

_TELL_EVERY = 10_000
_MOST_LOOKS = 3
OnProgress = Callable[[int, int], None]

# Everything that the sealer has passed, in one statement and so at one moment: rows that no leaf stands for show here.
_PASSED = """
SELECT (SELECT t.size FROM register.tree t WHERE t.tenant_id = $1) AS leaves,
  (SELECT count(*) FILTER (WHERE (o.tx, o.tenant_id, o.id) <= (c.tx, c.after_tenant, c.after_id)) FROM register.opening o, register.seal_cursor c
    WHERE c.source = 'opening' AND o.tenant_id = $1)
  + (SELECT count(*) FILTER (WHERE (o.tx, o.tenant_id, o.id) <= (c.tx, c.after_tenant, c.after_id)) FROM register.closing o, register.seal_cursor c
    WHERE c.source = 'closing' AND o.tenant_id = $1)
  + (SELECT count(*) FILTER (WHERE (w.tx, w.tenant_id, w.number) <=
        (c.tx, c.after_tenant, ('x' || right(replace(c.after_id::text, '-', ''), 16))::bit(64)::bigint))
    FROM registry.wijziging w, register.seal_cursor c WHERE c.source = 'wijziging' AND w.tenant_id = $1) AS rows
"""


def verify_archive(path: Path, trust: Trust, on_progress: OnProgress) -> Verdict:
    """Verify an export with nothing but what the reader trusts. Raises ArchiveError, BadNote, OSError."""
    with open_archive(path) as (manifest, lines):
        plan = plan_of(manifest)
        expected, faults = expect(plan, trust)
        judge = Judge(expected)
        first, until = plan.span
        take = judge.take
        for count, line in enumerate(lines, 1):
            take(line)
            if count % _TELL_EVERY == 0:
                on_progress(count, until - first)
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
    judge = Judge(expected)
    first, until = plan.span
    async for lines in recorded.stream(plan.span):
        for line in lines:
            judge.take(line)
        on_progress(judge.tally.rows, until - first)
    notes = [f"the sealer noted: {fault}" for fault in plan.faults]
    if plan.tree_size > expected.signed.size:
        notes.append(f"{plan.tree_size - expected.signed.size} leaves are newer than the last checkpoint")
    if period is None:
        async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
            row = await connection.fetchrow(_PASSED, tenant_id)
        faults += _uncounted(row["rows"], (row["leaves"] or 0) - judge.tally.gone)
    return plan, _verdict(plan, judge, faults, trust, tuple(notes))


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
