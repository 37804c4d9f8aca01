"""What is fetched from elsewhere: only from listed hosts, only public or listed addresses, never more than allowed."""

import asyncio
import gc
import socket
from ipaddress import ip_address, ip_network

import pytest

from gateway.fetch import Fetcher, FetchError, FetchRules, check_url, is_allowed
from gateway.pki import make_pki
from tests.callers.issuers import oidc_server

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    pki = make_pki()
    (directory / "root.pem").write_bytes(pki.root_pem)
    (directory / "ander.pem").write_bytes(make_pki("Een ander").root_pem)
    certificate, key = pki.issue_server(["localhost", "127.0.0.1"]).save(directory, "server")
    return directory, certificate, key


def rules(files, port, **changed) -> FetchRules:
    given = {"hosts": frozenset({f"localhost:{port}"}), "internal": LOOPBACK, "anchors_file": files[0] / "root.pem"}
    return FetchRules(**{**given, "seconds": 3.0, **changed})


async def fetch(rules: FetchRules, url: str) -> bytes:
    fetcher = Fetcher(rules)
    try:
        return await fetcher.get(url)
    finally:
        await fetcher.close()


async def refusal(rules: FetchRules, url: str) -> str:
    with pytest.raises(FetchError) as caught:
        await fetch(rules, url)
    return caught.value.code


async def test_a_listed_host_is_fetched_over_tls(files):
    async with oidc_server(*files[1:]) as server:
        body = await fetch(rules(files, server.url.rpartition(":")[2]), f"{server.url}/jwks")
        assert b'"keys"' in body
        assert server.fetched == 1


async def test_first_fetches_at_once_share_one_session_and_leave_none_open(files):
    async with oidc_server(*files[1:]) as server:
        fetcher, opened = Fetcher(rules(files, server.url.rpartition(":")[2])), set()

        async def get() -> None:
            await fetcher.get(f"{server.url}/jwks")
            opened.add(fetcher._session)

        await asyncio.gather(*(get() for _ in range(5)))
        await fetcher.close()
        assert server.fetched == 5
        assert len(opened) == 1
        assert all(one is not None and one.closed for one in opened)
        # What was opened and forgotten would say so here: -W error makes a failure of it.
        gc.collect()


async def test_what_is_not_listed_is_never_connected_to(files):
    async with oidc_server(*files[1:]) as server:
        port = server.url.rpartition(":")[2]
        assert await refusal(rules(files, port, hosts=frozenset()), f"{server.url}/jwks") == "host"
        assert await refusal(rules(files, port, hosts=frozenset({"localhost"})), f"{server.url}/jwks") == "host"
        assert await refusal(rules(files, port, internal=()), f"{server.url}/jwks") == "adres"
        literal = frozenset({f"127.0.0.1:{port}"})
        assert (
            await refusal(rules(files, port, hosts=literal, internal=()), f"https://127.0.0.1:{port}/jwks") == "adres"
        )
        assert server.fetched == 0


async def test_a_server_that_is_not_who_it_should_be_is_not_read(files):
    async with oidc_server(*files[1:]) as server:
        port = server.url.rpartition(":")[2]
        other = rules(files, port, anchors_file=files[0] / "ander.pem")
        assert await refusal(other, f"{server.url}/jwks") == "verbinding"
        assert server.fetched == 0


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 404, 500])
async def test_no_other_answer_than_200_is_taken_and_no_redirect_followed(files, status):
    async with oidc_server(*files[1:]) as server:
        server.status = status
        assert await refusal(rules(files, server.url.rpartition(":")[2]), f"{server.url}/jwks") == "status"
        assert server.fetched == 1


async def test_an_answer_that_is_too_large_is_not_held(files):
    async with oidc_server(*files[1:]) as server:
        server.body = b"x" * 70_000
        port = server.url.rpartition(":")[2]
        assert await refusal(rules(files, port, most=65_536), f"{server.url}/jwks") == "omvang"
        assert len(await fetch(rules(files, port, most=70_000), f"{server.url}/jwks")) == 70_000


async def test_a_server_that_hangs_costs_a_bounded_time(files):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    held = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = held.sockets[0].getsockname()[1]
    async with held:
        assert await refusal(rules(files, port, seconds=0.3), f"https://localhost:{port}/jwks") == "tijd"
        async with asyncio.timeout(3):
            await ended.wait()


async def test_nobody_there_is_trouble_with_the_connection(files):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert await refusal(rules(files, port), f"https://localhost:{port}/jwks") == "verbinding"


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/jwks",
        "https://gebruiker@idp.example/jwks",
        "https://gebruiker:geheim@idp.example/jwks",
        "https://idp.example/jwks#deel",
        "file:///etc/passwd",
        "//idp.example/jwks",
        "/jwks",
        "",
        "https://",
        "https://idp.example:abc/",
        "https://[::1/",
    ],
)
def test_only_plain_https_urls_are_fetched(url):
    with pytest.raises(FetchError) as caught:
        check_url(url, FetchRules(frozenset({"idp.example"})))
    assert caught.value.code == "url"


@pytest.mark.parametrize(
    ("url", "hosts", "is_listed"),
    [
        ("https://idp.example/a?b=c", {"idp.example"}, True),
        ("https://IDP.example/", {"idp.example"}, True),
        ("https://idp.example:443/", {"idp.example:443"}, True),
        ("https://idp.example:8443/", {"idp.example:8443"}, True),
        ("https://idp.example:8443/", {"idp.example"}, False),
        ("https://idp.example/", {"idp.example:8443"}, False),
        ("https://idp.example.kwaad.example/", {"idp.example"}, False),
        ("https://kwaad.example/idp.example", {"idp.example"}, False),
        ("https://a.idp.example/", {"idp.example"}, False),
        ("https://idp.example./", {"idp.example"}, False),
    ],
)
def test_a_host_is_listed_whole_with_its_port(url, hosts, is_listed):
    listed = FetchRules(frozenset(hosts))
    if is_listed:
        assert check_url(url, listed).scheme == "https"
    else:
        with pytest.raises(FetchError):
            check_url(url, listed)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::7f00:1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001:db8::1",
        "2001::1",
    ],
)
def test_an_internal_address_is_refused_in_every_spelling(address):
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_allowed(address):
    assert is_allowed(ip_address(address), ())


def test_an_internal_network_is_allowed_when_it_is_listed_and_nothing_beside_it():
    listed = (ip_network("10.1.0.0/16"),)
    assert is_allowed(ip_address("10.1.2.3"), listed)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), listed)
    assert not is_allowed(ip_address("10.2.0.1"), listed)
    assert not is_allowed(ip_address("127.0.0.1"), listed)
