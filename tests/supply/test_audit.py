"""Known vulnerabilities of what is pinned turn the build red, unless somebody has said why not and until when."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.supply.audit import HERE, LOCK, Unreachable, judge, read_allowed, report_of

TODAY = date(2026, 11, 22)
ENTRY = """
[GHSA-aaaa-bbbb-cccc]
package = "h11"
reason = "The function that it is in, is called nowhere in this program."
until = 2026-12-31
"""


@contextmanager
def osv(vulnerable: str) -> Iterator[str]:
    """A database in which one package has one vulnerability."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = asked["package"]["name"], asked["version"]
            affected = {"package": {"name": name, "ecosystem": "PyPI"}, "versions": [version]}
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
            found = {
                "id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2026-1"], "summary": "Bad", "published": "2026-01-01T00:00:00Z",
                "modified": "2026-01-01T00:00:00Z", "affected": [affected | {"ranges": ranges}],
            }  # fmt: skip
            body = json.dumps({"vulns": [found]} if name == vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_is_known_of_a_pinned_version_is_found_and_told(tmp_path: Path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"h11==0.16.0 --hash=sha256:{'0' * 64}\nclick==8.3.0 --hash=sha256:{'1' * 64}\n")
    with osv("h11") as url:
        report = report_of(lock, url)
    assert judge(report, {}, TODAY) == ["h11 0.16.0: CVE-2026-1; mended in 99"]
    assert judge(report, read_allowed(ENTRY), TODAY) == []
    assert len(judge(report, read_allowed(ENTRY), date(2027, 1, 1))) == 1
    assert len(judge(report, read_allowed(ENTRY.replace("h11", "click")), TODAY)) == 2
    assert judge(report, read_allowed(ENTRY.replace("GHSA-aaaa-bbbb-cccc", "CVE-2026-1")), TODAY) == []


def test_an_allowance_without_use_must_go():
    allowed = read_allowed(ENTRY)
    assert judge({"dependencies": []}, allowed, TODAY) == [
        "GHSA-aaaa-bbbb-cccc is allowed and no longer found: take it out"
    ]


@pytest.mark.parametrize("line", ["package", "reason", "until"])
def test_an_allowance_says_what_why_and_until_when(line):
    text = "\n".join(one for one in ENTRY.splitlines() if not one.startswith(line))
    with pytest.raises((TypeError, ValueError)):
        read_allowed(text)


def test_who_is_offline_is_told_so():
    with pytest.raises(Unreachable, match="nothing was audited"):
        report_of(LOCK, "http://127.0.0.1:1/v1/query")


def test_nothing_that_is_pinned_has_a_known_vulnerability():
    try:
        report = report_of(LOCK)
    except Unreachable as error:
        pytest.skip(str(error))
    assert judge(report, read_allowed((HERE / "allowed.toml").read_text()), datetime.now(UTC).date()) == []
