"""The way to RvIG is the operator's: its resolver or addresses, its source address, its proxy; and none but that."""

import asyncio
import struct
import time

import pytest
from yarl import URL

from gateway.call import Answered, Unanswered
from gateway.catalogue import CatalogueError, Environment, Network
from gateway.mtls import Identities
from gateway.wire.pools import Post, Wires
from gateway.wire.routes import make_way
from tests.upstream import stage
from tests.upstream.network import answer_to, dns_server, proxy_to

NAME = "apigw.rvig.diginetwerk.test"


@pytest.fixture
async def rvig(pki, tmp_path):
    """RvIG under its own name, which no resolver of this machine knows."""
    async with stage.serving(pki, tmp_path, names=(NAME,)) as running:
        yield running


@pytest.fixture
def ask(pki, keyring, rvig, first):
    """Ask RvIG over a way; the result and nothing else."""

    async def ask(network: Network, *, host: str = NAME, port: int = 0, seconds: float = 5.0):
        wires = Wires(Identities(keyring, {"proef": pki.root_pem.decode()}), ways={"proef": make_way(network)})
        post = Post("POST", URL(f"https://{host}:{port or rvig.port}/x"), {"host": host}, b"{}", 3.0, seconds)
        try:
            return await wires.ask(first.certificate, "proef", post)
        finally:
            await wires.close()

    return ask


async def test_a_name_is_asked_of_the_resolver_of_the_environment_from_its_source_address(ask, rvig):
    async with dns_server() as dns:
        dns.records[NAME] = ("127.0.0.1",)
        result = await ask(Network(resolver=f"127.0.0.1:{dns.port}", source_address="127.0.0.2"))
    assert isinstance(result, Answered)
    # IPv4 alone is asked for, because the source address is one.
    assert dns.asked == [(NAME, "127.0.0.2")]


async def test_connections_leave_from_the_source_address(pki, keyring, first, rvig):
    sources = []

    async def noting(reader, writer):
        sources.append(writer.get_extra_info("peername")[0])
        writer.close()

    # Without TLS: who connects is all that is wanted, and the handshake fails.
    listening = await asyncio.start_server(noting, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    wires = Wires(
        Identities(keyring, {"proef": pki.root_pem.decode()}),
        ways={"proef": make_way(Network(addresses={NAME: ("127.0.0.1",)}, source_address="127.0.0.2"))},
    )
    await wires.ask(first.certificate, "proef", Post("GET", URL(f"https://{NAME}:{port}/"), {}, None, 1.0, 1.0))
    await wires.close()
    listening.close()
    assert sources == ["127.0.0.2"]


async def test_fixed_addresses_need_nobody(ask):
    result = await ask(Network(addresses={NAME: ("127.0.0.1",)}))
    assert isinstance(result, Answered)


async def test_a_name_without_a_fixed_address_is_asked_of_nobody_else(ask, rvig):
    result = await ask(Network(addresses={NAME: ("127.0.0.1",)}), host="localhost")
    assert isinstance(result, Unanswered)
    assert (result.reason, result.sent) == ("naamOnbekend", False)
    assert rvig.connections == 0


async def test_a_name_that_the_resolver_does_not_know_is_unknown(ask, rvig):
    async with dns_server() as dns:
        result = await ask(Network(resolver=f"127.0.0.1:{dns.port}"))
    assert isinstance(result, Unanswered)
    assert (result.reason, result.sent) == ("naamOnbekend", False)


async def test_the_server_must_prove_its_name_whatever_address_it_has(ask, rvig):
    result = await ask(Network(addresses={"een.ander.test": ("127.0.0.1",)}), host="een.ander.test")
    assert isinstance(result, Unanswered)
    assert result.reason == "tlsMislukt"


async def test_through_a_proxy_tls_is_with_rvig_and_the_proxy_sees_only_the_name(ask, rvig, tmp_path, first):
    (tmp_path / "pair").write_text("gateway:heel geheim\n")
    async with proxy_to(rvig.port, "gateway:heel geheim") as proxy:
        result = await ask(Network(proxy=proxy.url, proxy_credentials_file=str(tmp_path / "pair")))
        assert isinstance(result, Answered)
    assert proxy.heads[0].startswith(f"CONNECT {NAME}:{rvig.port} HTTP/1.1\r\n")
    assert rvig.requests[0].oin == first.organisation_oin
    # Of what passes after it the proxy can read nothing; and RvIG does not see the proxy's credentials.
    assert b"POST /x" not in proxy.passed
    assert not [name for name in rvig.requests[0].headers if name.startswith("proxy")]


async def test_a_connection_through_a_proxy_is_kept_like_any_other(pki, keyring, rvig, first):
    async with proxy_to(rvig.port) as proxy:
        wires = Wires(
            Identities(keyring, {"proef": pki.root_pem.decode()}), ways={"proef": make_way(Network(proxy=proxy.url))}
        )
        post = Post("POST", URL(f"https://{NAME}:{rvig.port}/"), {}, b"{}", 1.0, 5.0)
        for _ in range(3):
            assert isinstance(await wires.ask(first.certificate, "proef", post), Answered)
        await wires.close()
    assert (len(proxy.heads), rvig.connections) == (1, 1)


async def test_a_proxy_that_refuses_is_no_connection_and_nothing_was_sent(ask, rvig):
    async with proxy_to(rvig.port, "gateway:iets anders") as proxy:
        result = await ask(Network(proxy=proxy.url))
    assert isinstance(result, Unanswered)
    assert (result.reason, result.sent) == ("geenVerbinding", False)
    assert rvig.connections == 0


async def test_a_proxy_that_is_away_is_never_passed_by(ask, rvig):
    result = await ask(
        Network(proxy="http://127.0.0.1:9", addresses={NAME: ("127.0.0.1",), "127.0.0.1": ("127.0.0.1",)})
    )
    assert isinstance(result, Unanswered)
    assert (result.reason, rvig.connections) == ("geenVerbinding", 0)


async def test_what_is_answered_is_kept_as_long_as_it_says(rvig):
    now = [0.0]
    async with dns_server() as dns:
        dns.records[NAME] = ("=alias.test", "127.0.0.1")
        resolver = make_way(Network(resolver=f"127.0.0.1:{dns.port}")).resolver
        assert resolver is not None
        resolver._clock = lambda: now[0]
        for moment, asked in ((0.0, 2), (59.0, 2), (61.0, 4)):
            now[0] = moment
            found = await resolver.resolve(NAME, 443, family=0)  # type: ignore[arg-type]
            assert [one["host"] for one in found] == ["127.0.0.1"]
            assert len(dns.asked) == asked


async def test_an_answer_that_does_not_fit_comes_over_tcp():
    async with dns_server() as dns:
        dns.records[NAME] = tuple(f"127.0.0.{n}" for n in range(1, 100))
        dns.react = lambda question: [question[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + question[12:]]
        resolver = make_way(Network(resolver=f"127.0.0.1:{dns.port}", source_address="127.0.0.2")).resolver
        assert resolver is not None
        assert len(await resolver.resolve(NAME)) == 99
        assert dns.over_tcp == 1


async def test_a_forged_answer_is_passed_by_and_the_true_one_taken():
    def forge(question: bytes) -> list[bytes]:
        wrong_number = bytes([question[0] ^ 1]) + question[1:]
        other_name = question.replace(b"rvig", b"rvik")
        forged = [
            answer_to(one, {NAME: ("10.6.6.6",), NAME.replace("rvig", "rvik"): ("10.6.6.6",)})
            for one in (wrong_number, other_name)
        ]
        return [*forged, b"\0" * 5, question, answer_to(question, {NAME: ("127.0.0.1",)})]

    async with dns_server() as dns:
        dns.react = forge
        resolver = make_way(Network(resolver=f"127.0.0.1:{dns.port}", source_address="127.0.0.2")).resolver
        assert resolver is not None
        assert [one["host"] for one in await resolver.resolve(NAME)] == ["127.0.0.1"]


@pytest.mark.parametrize("rcode", [2, 5])
async def test_a_resolver_that_will_not_say_is_no_answer(rcode):
    async with dns_server() as dns:
        dns.react = lambda question: [answer_to(question, {}, rcode=rcode)]
        resolver = make_way(Network(resolver=f"127.0.0.1:{dns.port}")).resolver
        assert resolver is not None
        with pytest.raises(OSError, match="no answer"):
            await resolver.resolve(NAME)


async def test_a_silent_resolver_is_asked_again_and_then_given_up():
    async with dns_server() as dns:
        silent = [True]
        dns.react = lambda question: [] if silent.pop() else [answer_to(question, {NAME: ("127.0.0.1",)})]
        silent.insert(0, False)
        way = make_way(Network(resolver=f"127.0.0.1:{dns.port}", source_address="127.0.0.2"))
        assert way.resolver is not None
        begun = time.monotonic()
        assert await way.resolver.resolve(NAME)
        assert 1.4 < time.monotonic() - begun < 4
        assert len(dns.asked) == 2


@pytest.mark.parametrize(
    "network",
    [
        {"resolver": "dns.intern"},
        {"resolver": "10.0.0.1:poort"},
        {"addresses": {NAME: ("geen adres",)}},
        {"addresses": {NAME: ()}},
        {"source_address": "localhost"},
        {"proxy": "https://proxy:3128"},
        {"proxy": "http://user:wachtwoord@proxy:3128"},
        {"proxy_credentials_file": "/x"},
        {"iets": "anders"},
    ],
)
def test_a_way_that_cannot_be_is_refused(network):
    with pytest.raises(ValueError, match="validation error"):
        Network.model_validate(network)


def test_fixed_addresses_must_name_every_host_that_is_looked_up():
    given = stage.make_environment("https://apigw.test").model_dump()
    with pytest.raises(ValueError, match=r"auth\.test"):
        Environment.model_validate(
            given | {"token_url": "https://auth.test/token", "network": {"addresses": {"apigw.test": ["10.0.0.1"]}}}
        )
    by_proxy = {"proxy": "http://proxy:3128", "addresses": {"proxy": ["10.0.0.1"]}}
    assert Environment.model_validate(given | {"network": by_proxy}).network


def test_the_proxys_credentials_come_from_a_file_and_stand_in_no_message(tmp_path):
    (tmp_path / "pair").write_text("heelgeheim")
    for path in (tmp_path / "pair", tmp_path / "absent"):
        with pytest.raises(CatalogueError) as caught:
            make_way(Network(proxy="http://proxy:3128", proxy_credentials_file=str(path)))
        assert "heelgeheim" not in str(caught.value)
    (tmp_path / "pair").write_text("u:heelgeheim")
    way = make_way(Network(proxy="http://proxy:3128", proxy_credentials_file=str(tmp_path / "pair")))
    assert "heelgeheim" not in repr(way)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({}, "de resolver van het besturingssysteem"),
        ({"resolver": "10.0.0.53"}, "resolver 10.0.0.53 uit de catalogus"),
        (
            {"resolver": "fd00::53", "source_address": "fd00::2"},
            "resolver fd00::53 uit de catalogus, bronadres fd00::2",
        ),
        (
            {"proxy": "http://proxy:3128", "addresses": {"proxy": ["10.0.0.1"]}},
            "vaste adressen voor proxy uit de catalogus, proxy proxy:3128 (CONNECT)",
        ),
    ],
)
def test_the_way_can_be_told(network, words):
    assert make_way(Network.model_validate(network)).words("apigw.test") == words
