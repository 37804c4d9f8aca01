"""What a tenant writes down never makes the product speak to something that the operator did not list."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gateway.pki import Pki
from tenants.fetch import FetchError, FetchRules, _is_allowed, post, read_rules
from tests.trees.receiving import Inbox, https_server, silent_server

INTERNAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture
def inbox(pki: Pki, tmp_path: Path) -> Iterator[Inbox]:
    with https_server(pki, tmp_path) as made:
        yield made


@pytest.fixture
def rules(pki: Pki, tmp_path: Path, inbox: Inbox) -> FetchRules:
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    return FetchRules(frozenset({f"localhost:{inbox.port}"}), INTERNAL, tmp_path / "root.pem", 2.0)


def code_of(rules: FetchRules, url: str) -> str:
    with pytest.raises(FetchError) as refused:
        post(rules, url, b"x", {})
    return refused.value.code


def test_a_post_arrives_whole_at_a_host_that_is_listed(rules, inbox):
    assert post(rules, f"https://localhost:{inbox.port}/in/box", b"note\n", {"Content-Type": "text/plain"}) == 204
    assert inbox.bodies == [("/in/box", b"note\n")]


def test_only_https_without_credentials_query_or_fragment(rules, inbox):
    for url in (
        f"http://localhost:{inbox.port}/", f"https://u:p@localhost:{inbox.port}/", f"https://localhost:{inbox.port}/?a=b",
        f"https://localhost:{inbox.port}/#a", "https:///x", "file:///etc/passwd", "https://localhost:99999/",
        f"https://localhost:{inbox.port}/a\r\nHost: x", f"https://localhost:{inbox.port}/é",
    ):  # fmt: skip
        assert code_of(rules, url) == "url"
    assert inbox.bodies == []


def test_only_hosts_that_are_listed_with_their_port(rules, inbox):
    for url in ("https://localhost/", f"https://127.0.0.1:{inbox.port}/", "https://example.org/"):
        assert code_of(rules, url) == "host"


def test_an_internal_address_is_refused_unless_it_is_listed(rules, inbox):
    assert code_of(dataclasses.replace(rules, internal=()), f"https://localhost:{inbox.port}/") == "adres"
    assert inbox.bodies == []


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True), ("2a00:1450::1", True), ("10.0.0.1", False), ("169.254.169.254", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:a00:1::1", False),
        ("fd00::1", False), ("fe80::1", False), ("::", False), ("100.64.0.1", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_spoken_to(address, allowed):
    assert _is_allowed(ip_address(address), ()) == allowed
    assert _is_allowed(ip_address(address), (ip_network(f"{address}/{ip_address(address).max_prefixlen}"),))


def test_no_redirect_is_followed_and_only_2xx_counts(rules, inbox):
    inbox.status, inbox.location = 307, f"https://localhost:{inbox.port}/elsewhere"
    assert code_of(rules, f"https://localhost:{inbox.port}/") == "status"
    assert [path for path, _ in inbox.bodies] == ["/"]
    inbox.status = 500
    assert code_of(rules, f"https://localhost:{inbox.port}/") == "status"


def test_a_server_that_nobody_vouches_for_gets_nothing(rules, inbox):
    assert code_of(dataclasses.replace(rules, anchors_file=None), f"https://localhost:{inbox.port}/") == "tls"
    assert inbox.bodies == []


def test_a_server_that_hangs_or_dribbles_is_cut_off(rules, inbox):
    inbox.hang = threading.Event()
    began = time.monotonic()
    try:
        assert code_of(dataclasses.replace(rules, seconds=0.5), f"https://localhost:{inbox.port}/") == "tijd"
    finally:
        inbox.hang.set()
    with silent_server() as port:
        silent = dataclasses.replace(rules, hosts=frozenset({f"localhost:{port}"}), seconds=0.5)
        assert code_of(silent, f"https://localhost:{port}/") == "tijd"
    assert time.monotonic() - began < 5


def test_a_place_where_nobody_listens_is_told(rules, inbox):
    closed = dataclasses.replace(rules, hosts=frozenset({"localhost:1"}))
    assert code_of(closed, "https://localhost:1/") == "verbinding"


def test_rules_are_read_from_settings():
    made = read_rules("a.example, B.example:8443", "10.0.0.0/8,::1/128", None)
    assert made.hosts == {"a.example", "b.example:8443"}
    assert len(made.internal) == 2
    with pytest.raises(ValueError, match="host bits"):
        read_rules("", "10.0.0.1/8", None)
