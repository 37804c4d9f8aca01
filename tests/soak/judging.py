"""What must be true afterwards: of every call, every block, every register, every process, every line and every metric.

Each judge gives what it found wrong, in words; nothing wrong is an empty list. All of them are asked, so that one run
tells everything.
"""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families

from gateway.simulator.seen import Seen
from tests.e2e.ledgers import Row, assert_ledgers_agree, trace_of
from tests.soak.changing import Replaced, Stopped
from tests.soak.processes import Process
from tests.soak.traffic import Visit

PERMISSION_SECONDS = 2.0
KILL_SECONDS = 1.0
"""How long after a SIGKILL a connection may still be found broken."""
NEAR_SECONDS = 3.0
_OF_CALLS = {"bevraging", "tokenverzoek", "veiligheid", None}
AWAY = "databaseUnreachable"
"""Why a new worker may not begin while the database is being broken."""
OLDEST_SECONDS = 660.0
"""The registry is read as a whole every ten minutes, and what changes in it at once."""
REFUSED_BY_RVIG = frozenset({400, 401, 403, 404, 500, 502, 503, 504})


def judge_ledgers(
    visits: Sequence[Visit], seen: Iterable[Seen], rows: Sequence[Row], orphans: set[tuple[int, UUID]]
) -> list[str]:
    """Call by call: what callers got, what RvIG saw, what the register holds."""
    try:
        assert_ledgers_agree(visits, seen, rows, orphans)
    except AssertionError as error:
        return [f"ledgers: {str(error)[:1000]}"]
    return []


def judge_hopeless(visits: Iterable[Visit], seen: Iterable[Seen]) -> list[str]:
    """What must be refused was refused, and RvIG never saw it."""
    arrived = {trace_of(one) for one in seen}
    return [
        f"not refused: {one.kind} of {one.member.number}, status {one.status}"
        for one in visits
        if one.hopeless and (one.status == 200 or one.trace in arrived)
    ]


def judge_stops(
    stops: Iterable[Stopped], rows: Sequence[Row], seen: Iterable[Seen], visits: Iterable[Visit]
) -> list[str]:
    """Nothing passed a block, or a withdrawn machtiging, after its answer."""
    found, by_trace = list[str](), {row.trace_id: row for row in rows if row.refusal is None}
    visits, seen = list(visits), list(seen)
    for one in stops:
        mine = one.client.member
        for row in rows:
            let_through = row.refusal is None and one.since < row.opened_at.timestamp() < one.until
            if let_through and (row.tenant_id == mine.tenant_id):
                found.append(f"{one.what} of {mine.number}: {row.id} was let through after it had been answered")
        for call in seen:
            if call.token_afnemer_id == mine.account.afnemer_id and one.since < call.time < one.until:
                row_of_call = by_trace.get(trace_of(call))
                opened = row_of_call.opened_at.timestamp() if row_of_call else call.time
                if opened >= one.since or call.time >= opened + PERMISSION_SECONDS:
                    found.append(f"{one.what} of {mine.number}: RvIG saw {trace_of(call)} after it had been answered")
        for visit in visits:
            if visit.member is mine and one.since < visit.began and visit.ended < one.until and visit.status == 200:
                found.append(f"{one.what} of {mine.number}: {visit.trace} was answered meanwhile")
    return found


def judge_certificates(replaced: Sequence[Replaced], rows: Iterable[Row]) -> list[str]:
    """Once its successor was active no call was let through over a certificate."""
    ended = {one.old: one for one in replaced}
    return [
        f"{row.id} left over a certificate that had been replaced"
        for row in rows
        if row.refusal is None and row.fingerprint in ended and row.opened_at.timestamp() > ended[row.fingerprint].since
    ]


def judge_callers(visits: Iterable[Visit], patience: float) -> list[str]:
    """Everybody had an answer, in time; only a process that was killed broke a connection."""
    found = []
    for one in visits:
        process = one.process
        if process is None:
            continue
        if one.status is None and not _is_broken_by_us(one, process):
            found.append(
                f"no answer of {process.name}, which nobody had killed: {one.kind}, {one.trace}, "
                f"from {one.began:.2f} to {one.ended:.2f}; {one.passage}; it ran from {process.began:.2f} to {process.ended}, "
                f"workers killed at {process.killed}, and said {_near(process, one)}"
            )
        if one.ended - one.began > patience and not _awaited_successor(one, process, patience):
            found.append(f"{one.ended - one.began:.1f} s for {one.kind} at {process.name}, status {one.status}")
        if one.status is not None and one.status not in {200, 429} | REFUSED_BY_RVIG:
            found.append(f"status {one.status} for {one.kind}")
        if one.status in {401, 403} and not one.hopeless and one.place == "gateway" and not _is_explained(one):
            found.append(f"{one.status} {one.code} for {one.member.number} ({one.kind}), of which nothing was changed")
        if one.status == 500 and one.place == "gateway":
            found.append(f"500 {one.code} for {one.kind}, {one.trace}")
    return found


def _is_broken_by_us(one: Visit, process: Process) -> bool:
    """A worker was killed at that moment, or the whole process before the call had ended."""
    if process.ended is not None and process.killed and process.killed[-1] < one.ended:
        return True
    return any(one.began - KILL_SECONDS < at < one.ended for at in process.killed)


def _awaited_successor(one: Visit, process: Process, patience: float) -> bool:
    """Whether a worker had just been killed: who waits at its socket waits as long as the machine takes to start another."""
    return process.workers > 1 and any(one.began - patience < at < one.ended for at in process.killed)


def _near(process: Process, visit: Visit) -> list[str]:
    """What a process said of itself around the time of a call, but for the lines of calls."""
    found = []
    for line in map(_read_line, process.log.read_text(errors="replace").splitlines()):
        moment = str(line.get("tijdstempel", ""))
        with contextlib.suppress(ValueError):
            at = datetime.fromisoformat(moment).timestamp()
            if visit.began - NEAR_SECONDS < at < visit.ended + NEAR_SECONDS and line.get("event") not in _OF_CALLS:
                found.append(f"{at:.2f} {line.get('event')} {line.get('slot', '')}".strip())
    return found


def _is_explained(one: Visit) -> bool:
    assert one.client is not None
    if not one.client.was_settled(one.began - 1.0, one.ended):
        return True
    # A token that could not be had, while the database was away.
    return one.client.proof == "token" and one.status == 401


def judge_numbers(gaps: Iterable[tuple[Any, ...]]) -> list[str]:
    return [f"numbers of writer {writer} for tenant {tenant} are not whole" for writer, tenant in gaps]


def judge_lines(processes: Iterable[Process]) -> list[str]:
    """No line at level error but those that are explained, and nothing that is no line of the log."""
    found = Counter[str]()
    for one in processes:
        lines = [line for line in one.log.read_text(errors="replace").splitlines() if not line.startswith("ready ")]
        read = [_read_line(line) for line in lines]
        refused = {line.get("transactie") for line in read if line.get("resultaat") == 503}
        for line in read:
            if "event" not in line or (
                line.get("level") in {"error", "critical"} and not _is_expected(line, one, refused)
            ):
                found[f"{one.kind}: {line}"[:400]] += 1
    return [f"{count} × {line}" for line, count in found.items()]


def _read_line(line: str) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"text": line}
    return read


def _is_expected(line: Mapping[str, Any], process: Process, refused: Container[object]) -> bool:
    """A worker that was killed has ended; a new one met a database that was away, or a request of the admin API did."""
    event = line["event"]
    return (
        (event == "worker_ended" and bool(process.killed))
        or (event == "worker_not_replaced" and process.replaced)
        or (event == "worker_not_begun" and bool(process.killed or process.replaced))
        or (event == "not_started" and line["reason"] == AWAY and bool(process.killed or process.replaced))
        or (event == "beheer_fout" and line.get("transactie") in refused)
    )


Metrics = Mapping[str, list[tuple[dict[str, str], float]]]


def read_metrics(text: str) -> Metrics:
    found: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((dict(sample.labels), sample.value))
    return found


def judge_gateway(process: Process, metrics: Metrics, visits: Iterable[Visit]) -> list[str]:
    """A gateway at rest: nothing under way, nothing lost, and as many answers as its callers had."""
    found = _judge_finite(process, metrics)
    at_rest = ("koppelpunt_calls_running", "koppelpunt_register_waiting", "koppelpunt_register_rows_refused_total",
               "koppelpunt_blocks")  # fmt: skip
    for name in at_rest:
        if total(metrics, name) != 0:
            found.append(f"{process.name}: {name} is {total(metrics, name):g}")
    if any(value != 1 for _, value in metrics["koppelpunt_ready"]):
        found.append(f"{process.name}: not ready")
    if max((value for _, value in metrics["koppelpunt_snapshot_age_seconds"]), default=0) > OLDEST_SECONDS:
        found.append(f"{process.name}: its registry is old")
    had = sum(1 for one in visits if one.process is process and one.status == 200)
    counted = sum(value for labels, value in metrics["koppelpunt_calls_total"] if labels["outcome"] == "beantwoord")
    # RvIG's refusals are answers too; what a worker that was killed had counted is gone with it.
    if not process.killed and not process.replaced and counted < had:
        found.append(f"{process.name}: {counted:g} answers counted, {had} had by callers")
    if any(labels["outcome"] == "onverwacht" for labels, value in metrics["koppelpunt_calls_total"] if value):
        found.append(f"{process.name}: calls that ended unexpectedly")
    return found


def judge_sealer(process: Process, metrics: Metrics, orphans: int) -> list[str]:
    """A sealer at rest: no tree halted, no fault, and every call without closing told by the one that leads."""
    found = _judge_finite(process, metrics)
    for name in ("koppelpunt_tree_halted", "koppelpunt_register_faults", "koppelpunt_sealing_rows_missing_total"):
        if total(metrics, name) != 0:
            found.append(f"{process.name}: {name} is {total(metrics, name):g}")
    told = sum(value for labels, value in metrics["koppelpunt_unknown_outcomes"] if labels.get("kind") == "productie")
    if total(metrics, "koppelpunt_sealer_leader") == 1 and told < orphans:
        found.append(f"{process.name}: tells of {told:g} calls without closing of {orphans}")
    return found


def total(metrics: Metrics, name: str) -> float:
    return sum(value for _, value in metrics.get(name, ()))


def _judge_finite(process: Process, metrics: Metrics) -> list[str]:
    return [
        f"{process.name}: {name} is {value}"
        for name, samples in metrics.items()
        for _, value in samples
        if not isfinite(value) or (name.endswith(("_total", "_count", "_bucket")) and value < 0)
    ]
