"""What the watchers' port says: what takes a process out of service, what is told only, and how long its certificate lasts."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.pki import make_pki
from gateway.watching import make_watching
from tenants.server_certificate import ServerCertificate, show_server_certificate
from tests.edge.serving import ask, running

REASONS = {"register proef": lambda: "registerOnbereikbaar"}


@pytest.mark.parametrize(("productie", "proef", "status"), [(True, False, 200), (False, True, 503), (True, True, 200)])
async def test_what_is_only_told_takes_nothing_out_of_service(productie, proef, status):
    checks = {"register productie": lambda: productie, "register proef": lambda: proef}
    watching = make_watching(CollectorRegistry(), checks, REASONS, told={"register proef"})
    async with running(watching) as port:
        answer = await ask(port, b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == status
    assert answer.json["checks"] == {"register productie": productie, "register proef": proef}
    assert answer.json["reasons"] == ({} if proef else {"register proef": "registerOnbereikbaar"})


def test_the_days_of_the_certificate_that_is_shown_follow_its_file(tmp_path):
    pki, path = make_pki(), tmp_path / "tls.crt"
    shown = ServerCertificate(path)
    assert math.isnan(shown.days_left())
    now = datetime.now(UTC)
    path.write_bytes(pki.issue_server(["a.example.org"], not_after=now + timedelta(days=9)).chain_pem)
    assert shown.days_left() == pytest.approx(9, abs=0.01)
    path.write_bytes(pki.issue_server(["a.example.org"], not_after=now + timedelta(days=90)).chain_pem)
    assert shown.days_left() == pytest.approx(90, abs=0.01)
    # Half a file, while it is being replaced.
    path.write_bytes(path.read_bytes()[:100])
    assert shown.days_left() == pytest.approx(90, abs=0.01)


def test_a_server_without_tls_of_its_own_shows_no_certificate():
    registry = CollectorRegistry()
    show_server_certificate(registry, None)
    assert generate_latest(registry) == b""
