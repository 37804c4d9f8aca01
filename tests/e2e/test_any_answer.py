"""Whatever RvIG answers, the call is closed, and the caller gets either that answer or a document that says what is wrong."""

import pytest

from gateway.simulator.faults import FaultKind, FaultRule
from tests.e2e.ledgers import BERICHTEN, PERSONEN, check_ledgers
from tests.world import world

JSON = {"Content-Type": "application/json"}
# As each is whole JSON or no JSON at all: the shapes that a reader of answers may stumble over.
BODIES = (
    b"", b"null", b"5", b"[]", b'"tekst"', b"{}", b"{", b"<html>", b"\xff\xfe\x00", b'{"personen": 5}',
    b'{"personen": null}', b'{"personen": [1, null, [], {"burgerservicenummer": 7}]}',
    b'{"personen": [{"burgerservicenummer": "999941112"}, {"burgerservicenummer": null}, {"naam": {}}]}',
    b'{"personen": [{"burgerservicenummer": "\\ud800"}]}', b'{"personen": [{"burgerservicenummer": "12\\u00003"}]}',
    b'{"personen": {"burgerservicenummer": "999941112"}}', b'{"opgehaaldeBerichten": 5}',
    b'{"opgehaaldeBerichten": [7, {"berichtKenmerken": 1}, {"berichtKenmerken": {"berichtTransportId": []}}]}',
    b'{"opgehaaldeBerichten": [{"berichtKenmerken": {"berichtTransportId": "x"}, "berichtInhoud": {"plData": {"c01": 3}}}]}',
    b"[" * 2_000 + b"]" * 2_000, b'{"getal": ' + b"9" * 5_000 + b"}",
)  # fmt: skip
STATUSES = (201, 204, 206, 301, 302, 304, 307, 308, 400, 403, 404, 409, 418, 429, 451, 500, 501, 503, 599)
HEADERS = (
    {"Location": "https://elders.example/"}, {"Content-Type": "text/html; charset=onbekend"}, {"Set-Cookie": "a=b"},
    {"Content-Encoding": "gzip"}, {"Content-Encoding": "onbekend"}, {"Connection": "close"}, {"warning": "199 - \xe9"},
)  # fmt: skip
ASKED = (("POST", PERSONEN), ("GET", f"{BERICHTEN}/0b0e9c1e-5b0a-4c57-9d4f-0b1a5b6c7d8e"))


@pytest.mark.parametrize(("method", "path"), ASKED, ids=["personen", "berichten"])
async def test_whatever_rvig_answers_the_call_is_closed(database, tmp_path, caller, method, path):
    rules = [
        *(FaultRule(FaultKind.ANSWER, times=1, status=200, headers=JSON, body=body) for body in BODIES),
        *(FaultRule(FaultKind.ANSWER, times=1, status=one, headers=JSON, body=b"{}") for one in STATUSES),
        *(FaultRule(FaultKind.ANSWER, times=1, status=200, headers=one, body=b"{}") for one in HEADERS),
    ]
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateways(1) as (gateway,):
            assert (await caller.call(gateway.url, member, path=path, method=method)).status == 200
            for rule in rules:
                here.simulator.faults.add(rule)
                called = await caller.call(gateway.url, member, path=path, method=method)
                here.simulator.faults.clear()
                assert called.status in {rule.status, 502}, rule
                if called.status == rule.status:
                    assert called.body == rule.body or rule.status in {204, 304}, rule
                else:
                    assert (called.place, called.code) == ("upstream", "antwoordOnleesbaar"), rule
                assert "set-cookie" not in called.headers
                assert "location" not in called.headers
            log = gateway.output.read_text()
        rows = await check_ledgers(here, caller)
    assert len(rows) == len(here.seen()) == len(rules) + 1
    assert {row.outcome for row in rows} == {"beantwoord", "niet_beantwoord"}
    assert '"onverwacht"' not in log
