"""The one line of a call: what stands in it, and that nothing of a person does."""

import json
import time

import pytest

from gateway.brp.question import Question
from gateway.call import Choice
from gateway.metrics import make_metrics
from gateway.telemetry import CallRecord
from tests import values

BSN = "999990019"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_call_writes_one_line_of_json_with_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    bevraging, caller = values.bevraging(question=Question("personen", None, bsns=(BSN,))), values.caller()
    record = CallRecord(bevraging, time.monotonic(), caller)
    record.choice = Choice(values.aansluiting(), values.machtiging(), bevraging.environment, bevraging.api)
    record.spend(token=0.001, open=0.002)
    record.spend(open=0.003)
    record.end("beantwoord", "", 200, 1234)
    record.write(make_metrics())
    (line,) = lines_of(capsys)
    assert line["transactie"] == str(bevraging.id)
    assert (line["resultaat"], line["status"], line["event"], line["level"]) == ("beantwoord", 200, "bevraging", "info")
    assert line["trace"] == (bevraging.trace_id.hex if bevraging.trace_id else None)
    assert line["octetten"] == {"vraag": len(bevraging.body), "antwoord": 1234}
    assert line["stappen"] == {"token": 1.0, "open": 5.0}
    assert str(line["tijdstempel"]).endswith("Z")
    assert BSN not in json.dumps(line)


def test_a_refusal_before_anybody_is_known_writes_its_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    record = CallRecord(values.bevraging(), time.monotonic())
    record.end("geweigerd", "authentication", 0)
    record.write(make_metrics())
    (line,) = lines_of(capsys)
    assert (line["code"], line["taaksysteem"], line["aansluiting"]) == ("authentication", None, None)
