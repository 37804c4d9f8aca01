"""The simulator reports what it saw, and can be steered from outside through its control port."""

import asyncio
import hashlib
import json
import subprocess
import sys

import aiohttp
import pytest

from tests.simulator.stage import GEMEENTE, HANNA, PERSONEN, WATERSCHAP

QUESTION = {
    "type": "RaadpleegMetBurgerservicenummer",
    "burgerservicenummer": [HANNA],
    "fields": ["burgerservicenummer"],
}


async def test_a_call_is_recorded_with_every_identity_it_came_with(stage, gemeente):
    await gemeente.ask(QUESTION, X_Iets="waarde")
    token, call = stage.simulator.seen.all()
    assert (token.kind, token.seq, token.status) == ("token", 1, 200)
    assert (token.client_id, token.scope) == ("duinwijk", "910101-00000001910100000000")
    assert token.resource_server == "ResourceServer01"
    assert (call.kind, call.api, call.method, call.path) == ("api", "personen", "POST", PERSONEN)
    assert call.certificate_oin == GEMEENTE.oin
    assert call.fingerprint == gemeente.issued.fingerprint
    assert (call.token_afnemer_id, call.token_oin, call.mailbox) == ("910101", GEMEENTE.oin, "9101010")
    assert call.client_id == "duinwijk"
    assert call.body_sha256 == hashlib.sha256(json.dumps(QUESTION).encode()).hexdigest()
    assert call.headers["x-iets"] == "waarde"
    assert call.status == 200


async def test_tokens_and_secrets_are_never_recorded(make_stage):
    async with make_stage(keep_bodies=True) as stage:
        caller = await stage.caller(GEMEENTE)
        await caller.ask(QUESTION)
        told = repr(stage.simulator.seen.all())
        assert GEMEENTE.client_secret not in told
        assert await caller.token() not in told
        assert stage.simulator.seen.api_calls()[0].body == json.dumps(QUESTION).encode()


async def test_bodies_are_kept_only_when_asked(stage, gemeente):
    await gemeente.ask(QUESTION)
    assert stage.simulator.seen.api_calls()[0].body is None


async def test_a_call_without_a_valid_token_is_recorded_too(stage, gemeente):
    await gemeente.ask(QUESTION, Authorization="Bearer onzin")
    seen = stage.simulator.seen.api_calls()[-1]
    assert (seen.status, seen.token_oin, seen.certificate_oin) == (401, None, GEMEENTE.oin)


async def test_the_record_is_bounded_and_goes_on_counting(make_stage):
    async with make_stage(seen_limit=3) as stage:
        caller = await stage.caller(GEMEENTE)
        for _ in range(5):
            await caller.ask(QUESTION)
        assert [one.seq for one in stage.simulator.seen.all()] == [4, 5, 6]
        assert stage.simulator.seen.all(since=5)[0].seq == 6
        stage.simulator.seen.clear()
        assert (stage.simulator.seen.all(), stage.simulator.seen.count) == ([], 6)


async def test_connections_are_counted_by_certificate(stage, gemeente, waterschap):
    for _ in range(3):
        await gemeente.ask(QUESTION)
    await waterschap.ask(QUESTION)
    simulator = stage.simulator
    assert simulator.connection_count == 2
    assert simulator.connections_by_fingerprint == {gemeente.issued.fingerprint: 1, waterschap.issued.fingerprint: 1}
    living = {one.certificate_oin: one.requests for one in simulator.connections.values()}
    assert living == {GEMEENTE.oin: 4, WATERSCHAP.oin: 2}


async def test_a_closed_connection_is_forgotten(stage):
    caller = await stage.caller(GEMEENTE, force_close=True)
    await caller.ask(QUESTION)
    for _ in range(100):
        if not stage.simulator.connections:
            break
        await asyncio.sleep(0.01)
    assert not stage.simulator.connections
    assert stage.simulator.connection_count == 2


async def test_faults_afnemers_and_post_can_be_steered_from_outside(make_stage):
    async with make_stage(control_port=0) as stage, aiohttp.ClientSession() as operator:
        control = f"http://127.0.0.1:{stage.address.control_port}/_control"
        caller = await stage.caller(GEMEENTE)
        rule = {"kind": "status", "status": 503, "times": 1, "match": {"api": "personen"}}
        async with operator.post(f"{control}/faults", json=rule) as answer:
            (number,) = (await answer.json())["numbers"]
        assert (await caller.ask(QUESTION))[0] == 503
        async with operator.get(f"{control}/faults/{number}") as answer:
            assert await answer.json() == {"remaining": 0}
        async with operator.get(f"{control}/seen") as answer:
            told = await answer.json()
        assert (told["count"], [one["status"] for one in told["seen"]]) == (2, [200, 503])
        async with operator.post(
            f"{control}/berichten", json={"mailbox_id": "9101010", "content": {"berichtType": "Gv01"}}
        ) as answer:
            assert answer.status == 200
        assert len((await caller.berichten("GET", ""))[1]["berichten"]) == 1
        async with operator.put(f"{control}/revoked-oins", json=[GEMEENTE.oin]) as answer:
            assert answer.status == 204
        assert (await caller.ask(QUESTION))[0] == 401
        await operator.put(f"{control}/revoked-oins", json=[])
        async with operator.post(f"{control}/expire-tokens?client_id=duinwijk") as answer:
            assert await answer.json() == {"expired": 2}
        assert (await caller.ask(QUESTION))[0] == 401
        other = {"afnemer_id": "510193", "oin": WATERSCHAP.oin, "client_id": "w", "client_secret": "s"}
        await operator.put(f"{control}/afnemers", json=[other])
        async with operator.get(f"{control}/afnemers") as answer:
            shown = await answer.json()
        assert [one["client_id"] for one in shown] == ["w"]
        assert "client_secret" not in shown[0]
        await operator.delete(f"{control}/seen")
        assert stage.simulator.seen.all() == []
        async with operator.get(f"{control}/connections") as answer:
            assert (await answer.json())["count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", b"nee"),
        ("POST", "faults", b'{"kind":"onbekend"}'),
        ("PUT", "afnemers", b'[{"afnemer_id":"1"}]'),
        ("PUT", "afnemers", b'[{"afnemer_id":"1","oin":"2","client_id":"c","client_secret":"s","kleur":"rood"}]'),
        ("PUT", "afnemers", b'[{"afnemer_id":1,"oin":"2","client_id":"c","client_secret":"s"}]'),
        ("PUT", "revoked-oins", b'"0"'),
        ("POST", "berichten", b'{"mailbox_id":"77","content":{}}'),
        ("GET", "seen?since=x", b""),
    ],
)
async def test_bad_input_at_the_control_port_is_a_400(make_stage, method, path, body):
    async with make_stage(control_port=0) as stage, aiohttp.ClientSession() as operator:
        url = f"http://127.0.0.1:{stage.address.control_port}/_control/{path}"
        async with operator.request(method, url, data=body) as answer:
            assert answer.status == 400
            assert (await answer.json())["detail"]


PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from gateway.simulator.app import build_simulator
from gateway.simulator.serve import serve
from gateway.simulator.settings import SimulatorSettings, read_afnemers

async def main(certificate, key, anchors, afnemers):
    simulator = build_simulator(SimulatorSettings(afnemers=read_afnemers(Path(afnemers))))
    shutdown = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shutdown.set)
    await serve(
        simulator, host="127.0.0.1", port=0, certificate_file=Path(certificate), key_file=Path(key),
        trust_anchors_file=Path(anchors), shutdown=shutdown, control_port=0,
        ready=lambda address: print(address.port, address.control_port, flush=True),
    )

asyncio.run(main(*sys.argv[1:]))
"""


async def test_it_runs_as_a_process_of_its_own_and_stops_when_told(pki, server_files, tmp_path):
    afnemers = tmp_path / "afnemers.json"
    afnemers.write_text(json.dumps([{
        "afnemer_id": GEMEENTE.afnemer_id, "oin": GEMEENTE.oin, "gemeente_code": "9101",
        "client_id": "duinwijk", "client_secret": "geheim", "certificate_oins": [GEMEENTE.oin],
    }]))  # fmt: skip
    files = [str(server_files[name]) for name in ("certificate_file", "key_file", "trust_anchors_file")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *files, str(afnemers), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        ports = (await asyncio.wait_for(process.stdout.readline(), 20)).split()
        url = f"http://127.0.0.1:{int(ports[1])}/_control/afnemers"
        async with aiohttp.ClientSession() as operator, operator.get(url) as answer:
            assert (await answer.json())[0]["gemeente_code"] == "9101"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
