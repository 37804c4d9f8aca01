"""The demo shows what is so: everything as expected ends with status 0, and nothing that is wrong passes its checks."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.demo.asking import Reply, SeenCall
from gateway.demo.expectations import (
    RECEIPT,
    Call,
    Observed,
    Refusal,
    Refused,
    check_call,
    check_refusal,
    exit_status,
    mismatches,
)
from gateway.demo.samples import CallingSystem, Organisation, make_afnemers
from gateway.pki import Issued
from tenants.protocolregels import Closing, Contents, Protocolregel

ROOT = Path(__file__).resolve().parents[2]
AFNEMER = make_afnemers()["duinwijk"]
ISSUED = Issued(b"", b"", b"", "ab" * 32)
ORGANISATION = Organisation(AFNEMER, 1, 7, 3, ISSUED)
SYSTEM = CallingSystem("Burgerzaken", AFNEMER.name, 1, 2, api_key="kp_x")
BSN = "999941112"
CALL = Call(
    "Personen", SYSTEM, ORGANISATION, "burgerzaken", "POST", "/api/brp/personen", {"fields": []}, frozenset({BSN})
)
ROW = uuid.UUID("01942f5e-0000-7000-8000-000000000001")
SEEN = SeenCall(
    "api", "POST", "/api/brp/personen", AFNEMER.oin, ISSUED.fingerprint, AFNEMER.client_id, AFNEMER.scope,
    AFNEMER.mailbox_id, 200, {"content-type": "application/json"},
)  # fmt: skip
NOW = datetime(2026, 11, 21, tzinfo=UTC)
CLOSING = Closing(NOW, "beantwoord", 200, None, 1, 0, 10, 10, 1, 1, 1, 4, b"\x01" * 32)
REGEL = Protocolregel(
    id=ROW, opened_at=NOW, afnemer_id=AFNEMER.afnemer_id, organisation_oin=AFNEMER.oin, certificate_oin=AFNEMER.oin,
    fingerprint=bytes.fromhex(ISSUED.fingerprint), aansluiting_id=7, machtiging_id=1, machtiging_version=1,
    mandate_id=None, taaksysteem_tenant_id=1, taaksysteem_id=2, taaksysteem_name="Burgerzaken", acting_oin=AFNEMER.oin,
    doelbinding="burgerzaken", grondslag="art. 3.5", ontvanger="afdeling", verwerkingsactiviteit="x", refusal=None,
    api="personen", operation="bevragen", question_type=None, zoekrubrieken="010120", rubrieken="010120", trace_id=None,
    writer_id=1, number=4, hash=b"\x02" * 32, closing=CLOSING,
    contents=Contents("geopend", {"headers": {}}, {"persons": [BSN], "answer": "{}"}),
)  # fmt: skip
OBSERVED = Observed(Reply(200, {RECEIPT: f"{ROW}:4:{'01' * 32}"}, b"{}"), (SEEN,), REGEL)


def test_the_demo_ends_with_status_0_and_leaves_nothing_behind(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "80"}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Everything was as expected" in ended.stdout
    assert "✗" not in ended.stdout
    assert max(len(line.rstrip()) for line in ended.stdout.splitlines()) <= 120
    for shown in (
        "certificate OIN 00000099910300003000",
        "scope 910401-00000099910400004000",
        "doelbinding uitvoering-participatiewet",
        "geweigerd: geblokkeerd",
        "invalid_scope",
        "geweigerd: certificaatVerlopen",
        "registerOnbereikbaar, plaats register",
    ):
        assert shown in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="the lines are for bash and curl")
def test_the_lines_that_the_demo_shows_work_as_they_are_and_ctrl_c_ends_it(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        try:
            for line in demo.stdout:
                if "Try, in another shell" in line:
                    break
            lines = []
            for line in demo.stdout:
                lines.append(line)
                if line.rstrip().endswith("/metrics"):
                    break
            assert sum("curl " in line for line in lines) == 9
            # A refusal fails too, also half-way a pipe.
            tried = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", 'curl() { command curl --fail "$@"; }\n' + "".join(lines)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert tried.returncode == 0, tried.stdout + tried.stderr
        finally:
            demo.send_signal(signal.SIGINT)
            last = demo.stdout.read()
    assert demo.returncode == 0
    assert "everything is cleaned up" in last
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_be_reached_ends_the_demo_with_status_1():
    environment = os.environ | {"DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none"}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "cannot be reached" in ended.stdout
    assert "nothing" not in ended.stdout + ended.stderr


def test_a_call_that_is_as_expected_passes_every_check():
    checks = check_call(CALL, OBSERVED)
    assert mismatches(checks) == []
    assert exit_status(checks) == 0


BENT = {
    "another status": dataclasses.replace(OBSERVED, reply=Reply(403, OBSERVED.reply.headers, b"{}")),
    "no call at RvIG": dataclasses.replace(OBSERVED, seen=()),
    "two calls at RvIG": dataclasses.replace(OBSERVED, seen=(SEEN, SEEN)),
    "another certificate": dataclasses.replace(OBSERVED, seen=(dataclasses.replace(SEEN, fingerprint="cd" * 32),)),
    "another OIN": dataclasses.replace(OBSERVED, seen=(dataclasses.replace(SEEN, certificate_oin="0" * 20),)),
    "another scope": dataclasses.replace(OBSERVED, seen=(dataclasses.replace(SEEN, scope="1-2"),)),
    "another mailbox": dataclasses.replace(OBSERVED, seen=(dataclasses.replace(SEEN, mailbox="1"),)),
    "an API key that went on to RvIG": dataclasses.replace(
        OBSERVED, seen=(dataclasses.replace(SEEN, headers={"x-api-key": "kp_x"}),)
    ),
    "no row": dataclasses.replace(OBSERVED, regel=None),
    "no closing": dataclasses.replace(OBSERVED, regel=dataclasses.replace(REGEL, closing=None)),
    "another aansluiting in the row": dataclasses.replace(OBSERVED, regel=dataclasses.replace(REGEL, aansluiting_id=8)),
    "another doelbinding": dataclasses.replace(OBSERVED, regel=dataclasses.replace(REGEL, doelbinding="anders")),
    "another outcome": dataclasses.replace(
        OBSERVED, regel=dataclasses.replace(REGEL, closing=dataclasses.replace(CLOSING, outcome="niet_beantwoord"))
    ),
    "contents that do not open": dataclasses.replace(
        OBSERVED, regel=dataclasses.replace(REGEL, contents=Contents("niet_te_openen"))
    ),
    "another person": dataclasses.replace(
        OBSERVED,
        regel=dataclasses.replace(REGEL, contents=Contents("geopend", {"headers": {}}, {"persons": ["999941501"]})),
    ),
    "another receipt": dataclasses.replace(OBSERVED, reply=Reply(200, {RECEIPT: f"{ROW}:5:{'01' * 32}"}, b"{}")),
    "no receipt": dataclasses.replace(OBSERVED, reply=Reply(200, {}, b"{}")),
}


@pytest.mark.parametrize("bent", BENT.values(), ids=BENT.keys())
def test_a_call_that_is_not_as_expected_gives_status_1(bent):
    assert exit_status(check_call(CALL, bent)) == 1


REFUSAL = Refusal("A block", "trouble", 403, "geblokkeerd", "gateway", "geblokkeerd")
DOCUMENT = b'{"code":"geblokkeerd","plaats":"gateway"}'
ATTEMPT = dataclasses.replace(REGEL, refusal="geblokkeerd", closing=None)
REFUSED = Refused(Reply(403, {}, DOCUMENT), (), ATTEMPT, (), 200, 0.1)


def test_a_refusal_that_is_as_expected_passes_every_check():
    assert exit_status(check_refusal(REFUSAL, REFUSED)) == 0


BENT_REFUSALS = {
    "answered": dataclasses.replace(REFUSED, reply=Reply(200, {}, b"{}")),
    "another code": dataclasses.replace(REFUSED, reply=Reply(403, {}, b'{"code":"verlopen","plaats":"gateway"}')),
    "seen by RvIG": dataclasses.replace(REFUSED, seen=(SEEN,)),
    "not recorded": dataclasses.replace(REFUSED, regel=None),
    "not served again": dataclasses.replace(REFUSED, afterwards=403),
}


@pytest.mark.parametrize("bent", BENT_REFUSALS.values(), ids=BENT_REFUSALS.keys())
def test_a_refusal_that_is_not_as_expected_gives_status_1(bent):
    assert exit_status(check_refusal(REFUSAL, bent)) == 1


def test_a_demo_that_checked_nothing_was_not_as_expected():
    assert exit_status([]) == 1
