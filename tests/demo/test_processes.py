"""The demo stays up until told to stop; the simulator is a process of its own, with its own files."""

import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.asking import ask
from gateway.pki import make_pki

ROOT = Path(__file__).resolve().parents[2]
KOPPELPUNT = [sys.executable, "-m", "gateway"]


@contextmanager
def running(command, log, line, **environment):
    """Run a command until the block ends, from the moment that its output holds a line."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*KOPPELPUNT, *command], cwd=ROOT, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while line not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def test_the_demo_stays_up_with_doors_that_answer_and_ends_in_order_when_interrupted(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    log = tmp_path / "log"
    with running(["demo"], log, "/metrics", TMPDIR=str(files)) as demo:
        line = next(one for one in log.read_text().splitlines() if "X-API-KEY" in one)
        words = shlex.split(line)
        headers = dict(words[place + 1].split(": ") for place, word in enumerate(words) if word == "-H")
        context = ssl.create_default_context(cafile=words[words.index("--cacert") + 1])
        asked = json.loads(words[words.index("-d") + 1])
        reply = await ask("POST", words[-1], headers=headers, body=asked, context=context)
        assert reply.json["personen"][0]["burgerservicenummer"] == "999941112"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert "cleaned up" in log.read_text()
    assert list(files.iterdir()) == []


@pytest.fixture
def served(tmp_path):
    """The options of a simulator with a certificate of its own."""
    pki = make_pki()
    pki.save(tmp_path)
    pki.issue_server(["localhost"]).save(tmp_path, "server")
    return [
        "simulator", "--port", "0", "--certificate", str(tmp_path / "server.pem"), "--key", str(tmp_path / "server.key"),
        "--trust-anchors", str(tmp_path / "root.pem"),
    ]  # fmt: skip


async def test_the_simulator_tells_its_ports_and_ends_when_asked(tmp_path, served):
    afnemers, log = tmp_path / "afnemers.json", tmp_path / "log"
    account = {"afnemer_id": "910101", "oin": "00000099910100001000", "client_id": "c", "client_secret": "s"}
    afnemers.write_text(json.dumps([account]))
    command = [*served, "--afnemers", str(afnemers), "--control-port", "0"]
    with running(command, log, "ready port=") as simulator:
        found = re.search(r"ready port=(\d+) control=(\d+)", log.read_text())
        assert found is not None
        (shown,) = (await ask("GET", f"http://127.0.0.1:{found[2]}/_control/afnemers")).json
        assert (shown["afnemer_id"], shown["environment"]) == ("910101", None)
        simulator.send_signal(signal.SIGTERM)
        assert simulator.wait(20) == 0


def test_a_simulator_says_what_is_wrong_with_its_afnemers_and_never_their_secrets(tmp_path, served):
    afnemers = tmp_path / "afnemers.json"
    afnemers.write_text('[{"afnemer_id": "910101", "client_secret": "heel-geheim", "oim": "x"}]')
    ended = subprocess.run(
        [*KOPPELPUNT, *served, "--afnemers", str(afnemers)], cwd=ROOT, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "afnemers[0]: unknown members oim" in ended.stderr
    assert "heel-geheim" not in ended.stderr
