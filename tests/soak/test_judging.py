"""The judges themselves: each is silent about what is right, and tells of the one thing that is wrong."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from gateway.simulator.seen import Seen
from tests.e2e.ledgers import Row
from tests.soak.changing import Replaced, Stopped
from tests.soak.clients import Passage
from tests.soak.judging import (
    judge_callers,
    judge_certificates,
    judge_gateway,
    judge_hopeless,
    judge_ledgers,
    judge_lines,
    judge_sealer,
    judge_stops,
    read_metrics,
)
from tests.soak.memory import MIB, Memory, growth_of
from tests.soak.processes import Process
from tests.soak.traffic import Visit

TRACE = UUID(int=1)
AT = 1_000.0
MEMBER: Any = SimpleNamespace(number=1, tenant_id=7, account=SimpleNamespace(afnemer_id="000001"))
RESTED = 'koppelpunt_ready{check="x"} 1\nkoppelpunt_calls_total{outcome="beantwoord"} 1\n'


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Client:
    """One of which nothing is changed, or everything."""

    proof = "api-key"

    def __init__(self, *, settled: bool = True) -> None:
        self.member, self.settled = MEMBER, settled

    def was_settled(self, _began: float, _ended: float) -> bool:
        return self.settled


def process(tmp_path, *lines: str, killed: tuple[float, ...] = ()) -> Process:
    log = tmp_path / f"{uuid4()}.log"
    log.write_text("\n".join(lines))
    return Process("gateway", "gateway-1", cast("Any", None), log, 1, 2, killed=list(killed))


def visit(**changed: Any) -> Visit:
    given = {"client": Client(), "kind": "personen", "ended": AT + 1, "status": 200, **changed}
    return Visit(TRACE, MEMBER, AT, "", **given)


def row(**changed: Any) -> Row:
    made = Row(
        7, UUID(int=2), TRACE, "000001", None, None, "ab", 1, 1, 7, 1, None, moment(AT + 0.2), "personen", "bevragen",
        "beantwoord", 200, None, 1, moment(AT + 0.8), False,
    )  # fmt: skip
    return replace(made, **changed)


def seen(at: float = AT + 0.5) -> Seen:
    headers = {"traceparent": f"00-{TRACE.hex}-{TRACE.hex[:16]}-01"}
    return Seen(1, at, "api", "POST", "/", 1, None, "ab", headers, "", None, token_afnemer_id="000001")


def test_ledgers_that_agree_are_right_and_an_answer_without_its_row_is_not():
    assert judge_ledgers([visit()], [seen()], [row()], set()) == []
    assert judge_ledgers([visit()], [], [], set())
    assert judge_ledgers([visit()], [seen()], [row(outcome=None, status=None, closed_at=None)], set())


@pytest.mark.parametrize(
    ("status", "at_rvig", "is_wrong"), [(401, False, False), (200, False, True), (401, True, True)]
)
def test_what_must_be_refused_is_neither_answered_nor_sent(status, at_rvig, is_wrong):
    assert bool(judge_hopeless([visit(hopeless=True, status=status)], [seen()] if at_rvig else [])) == is_wrong


def test_nothing_passes_a_block_after_its_answer():
    stopped = Stopped("tenant", cast("Any", Client()), AT + 0.3, AT + 10)
    # What was opened before, and arrived while its permission held, may be answered.
    assert judge_stops([stopped], [row()], [seen()], [visit()]) == []
    assert judge_stops([stopped], [row(opened_at=moment(AT + 0.4))], [], [])
    assert judge_stops([stopped], [row()], [seen(AT + 2.3)], [])
    earlier = replace(stopped, since=AT - 5)
    assert judge_stops([earlier], [], [], [visit()])


def test_nothing_leaves_over_a_certificate_that_was_replaced():
    assert judge_certificates([Replaced(cast("Any", Client()), AT + 0.3, "ab", "cd")], [row()]) == []
    assert judge_certificates([Replaced(cast("Any", Client()), AT + 0.1, "ab", "cd")], [row()])


def test_only_a_process_that_was_killed_breaks_a_connection_and_nobody_waits_too_long(tmp_path):
    whole, killed = process(tmp_path), process(tmp_path, killed=(AT + 0.5,))
    assert judge_callers([visit(process=whole), visit(process=killed, status=None)], 5) == []
    assert judge_callers([visit(process=whole, status=None)], 5)
    assert judge_callers([visit(process=process(tmp_path, killed=(AT + 9,)), status=None)], 5)
    gone = process(tmp_path, killed=(AT - 5,))
    # A worker that was killed long ago explains nothing; a whole process that is gone does.
    assert judge_callers([visit(process=gone, status=None)], 5)
    gone.ended = AT - 4
    assert judge_callers([visit(process=gone, status=None)], 5) == []
    assert judge_callers([visit(process=whole, ended=AT + 6)], 5)
    killed.workers = 2
    assert judge_callers([visit(process=killed, ended=AT + 6)], 5) == []
    killed.killed = [AT - 60]
    assert judge_callers([visit(process=killed, ended=AT + 6)], 5)


def test_a_refusal_of_the_gateway_needs_a_change_that_explains_it(tmp_path):
    refused = {"process": process(tmp_path), "status": 403, "body": b'{"plaats": "gateway", "code": "geblokkeerd"}'}
    assert judge_callers([visit(**refused, client=Client(settled=False))], 5) == []
    assert judge_callers([visit(**refused)], 5)
    broken = {**refused, "status": 500}
    assert judge_callers([visit(**broken)], 5)


def test_lines_at_level_error_need_something_that_explains_them(tmp_path):
    quiet = json.dumps({"event": "bevraging", "level": "info"})
    ended = json.dumps({"event": "worker_ended", "level": "error"})
    fault = json.dumps({"event": "beheer_fout", "level": "error", "transactie": "1"})
    told = json.dumps({"event": "beheer", "level": "info", "transactie": "1", "resultaat": 503})
    assert judge_lines([process(tmp_path, "ready port=1 watch=2", quiet)]) == []
    assert judge_lines([process(tmp_path, ended, killed=(AT,)), process(tmp_path, fault, told)]) == []
    assert judge_lines([process(tmp_path, ended)])
    assert judge_lines([process(tmp_path, fault)])
    assert judge_lines([process(tmp_path, "Unclosed client session")])
    away, wrong = (
        json.dumps({"event": "not_started", "level": "critical", "reason": one})
        for one in ("databaseUnreachable", "databaseNotMigrated")
    )
    replaced, other, whole = process(tmp_path, away, quiet), process(tmp_path, wrong), process(tmp_path, away)
    replaced.replaced = other.replaced = True
    assert judge_lines([replaced]) == []
    assert judge_lines([other])
    assert judge_lines([whole])
    replaced.log.write_text("Traceback (most recent call last):\nOSError: no\n")
    assert judge_lines([replaced])


def test_a_call_without_an_answer_is_told_with_its_connection_and_what_its_process_said_then(tmp_path):
    lines = [
        json.dumps({"event": event, "level": "info", "tijdstempel": moment(at).isoformat()})
        for event, at in (("connections_drained", AT + 2), ("workers_replaced", AT + 90), ("bevraging", AT + 1))
    ]
    lost = visit(process=process(tmp_path, *lines), status=None)
    lost.passage = Passage(port=4713, at=AT, used=12.0, error="ServerDisconnectedError")
    (found,) = judge_callers([lost], 5)
    assert "port 4713, used 12.00 s before" in found
    assert "ServerDisconnectedError" in found
    assert "connections_drained" in found
    assert "workers_replaced" not in found
    assert "bevraging" not in found.partition("said")[2]


@pytest.mark.parametrize(
    "more",
    [
        "koppelpunt_calls_running 1", 'koppelpunt_register_waiting{register="x"} 2', 'koppelpunt_blocks{kind="oin"} 1',
        "koppelpunt_snapshot_age_seconds 700", 'koppelpunt_calls_total{outcome="onverwacht"} 1',
        "koppelpunt_pools NaN", 'koppelpunt_refusals_total{code="x"} -1', 'koppelpunt_ready{check="y"} 0',
    ],
)  # fmt: skip
def test_a_gateway_at_rest_has_nothing_under_way(tmp_path, more):
    one = process(tmp_path)
    mine = [visit(process=one)]
    assert judge_gateway(one, read_metrics(RESTED), mine) == []
    assert judge_gateway(one, read_metrics(f"{RESTED}{more}\n"), mine)
    # More answers than it counted.
    assert judge_gateway(one, read_metrics(RESTED), [visit(process=one)] * 2)


def test_a_sealer_tells_of_every_call_without_closing(tmp_path):
    leads = 'koppelpunt_sealer_leader 1\nkoppelpunt_unknown_outcomes{kind="productie"} 2\n'
    assert judge_sealer(process(tmp_path), read_metrics(leads), 2) == []
    assert judge_sealer(process(tmp_path), read_metrics(leads), 3)
    assert judge_sealer(process(tmp_path), read_metrics(f'{leads}koppelpunt_tree_halted{{tenant="1"}} 1\n'), 2)


def test_memory_that_grows_is_told_in_mib_per_minute_after_it_has_settled():
    flat = [(float(second), 100 * MIB) for second in range(60)]
    growing = [(float(second), (100 + second) * MIB) for second in range(60)]
    assert growth_of("a", flat).per_minute == 0
    assert growth_of("a", growing).per_minute == pytest.approx(60)
    memory = Memory({("a", 1): [(0.0, MIB), *((30.0 + at, octets) for at, octets in flat)], ("b", 2): flat[:5]})
    (found,) = memory.growths(settle=20, least=30)
    assert (found.name, found.per_minute) == ("a/1", 0)
