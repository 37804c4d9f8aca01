"""From where a call came, and with which certificate: a proxy is believed by its address, and nobody else."""

import base64
import time
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.arrivals import Arrivals, read_client_cert, read_forwarded, read_node
from gateway.errors import Malformed, NotAuthenticated
from gateway.pki import make_pki
from gateway.presented import ClientCertificates, PresentedCertificate

PROXY, PROXIES = "10.0.0.7", (ip_network("10.0.0.0/24"), ip_network("fd00::/8"))
PKI = make_pki()
MINE, THEIRS = (PKI.issue_client(f"0000000100{number}234567000", "Gemeente") for number in (1, 2))
ANCHORS = tuple(x509.load_pem_x509_certificates(PKI.root_pem))


def field(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


def headers_of(issued) -> dict[str, str]:
    leaf, *chain = (one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(issued.chain_pem))
    return {"client-cert": field(leaf), "client-cert-chain": ", ".join(map(field, chain))}


def arrivals(header: str = "x-forwarded-for", *, anchored: bool = True) -> Arrivals:
    return Arrivals(PROXIES, header, ClientCertificates(ANCHORS, time.time) if anchored else None)


def thumbprint(arrived: tuple[str, PresentedCertificate | None]) -> str | None:
    return None if arrived[1] is None else arrived[1].thumbprint.hex()


def scope(peer: str | None = PROXY, issued=None) -> dict[str, Any]:
    tls = {} if issued is None else {"tls": {"client_cert_chain": (issued.certificate_pem.decode(),)}}
    return {"client": None if peer is None else (peer, 4711), "extensions": tls}


def test_a_trusted_proxy_hands_over_its_callers_certificate():
    headers = {**headers_of(MINE), "accept": "*/*"}
    arrived = arrivals().read(scope(), headers)
    assert (arrived[0], thumbprint(arrived)) == (PROXY, MINE.fingerprint)
    assert headers == {"accept": "*/*"}


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.1.7", "", None, "geen adres", "::1"])
def test_from_anyone_else_the_certificate_headers_are_taken_away_unread(peer):
    headers = {**headers_of(MINE), "x-forwarded-for": "198.51.100.1"}
    assert arrivals().read(scope(peer), headers) == (peer or "", None)
    assert headers.keys() == {"x-forwarded-for"}
    assert arrivals().read(scope(peer), {"client-cert": "onzin"}) == (peer or "", None)


def test_a_proxy_written_as_an_ipv6_address_is_the_same_proxy():
    assert arrivals().read(scope(f"::ffff:{PROXY}"), headers_of(MINE))[1] is not None
    assert arrivals().read(scope("fd00::1"), headers_of(MINE))[1] is not None


def test_the_connections_own_certificate_counts_when_no_proxy_stands_between():
    arrived = arrivals().read(scope("192.0.2.1", MINE), {})
    assert (arrived[0], thumbprint(arrived)) == ("192.0.2.1", MINE.fingerprint)


def test_the_proxys_own_certificate_is_never_its_callers():
    assert arrivals().read(scope(PROXY, MINE), {})[1] is None
    assert thumbprint(arrivals().read(scope(PROXY, MINE), headers_of(THEIRS))) == THEIRS.fingerprint


def test_without_anchors_nobody_presents_anything():
    for peer in (PROXY, "192.0.2.1"):
        assert arrivals(anchored=False).read(scope(peer, MINE), headers_of(MINE))[1] is None


def test_what_a_proxy_hands_over_must_lead_to_an_anchor():
    with pytest.raises(NotAuthenticated):
        arrivals().read(scope(), {"client-cert": headers_of(MINE)["client-cert"]})
    with pytest.raises(NotAuthenticated):
        arrivals().read(scope(), headers_of(make_pki().issue_client("00000001001234567000", "Gemeente")))


@pytest.mark.parametrize(
    ("leaf", "chain"),
    [
        (None, ":AAAA:"),
        ("", None),
        ("AAAA", None),
        (":AAAA", None),
        (":AAA:", None),
        (":AA AA:", None),
        (":AAAA:;a=b", None),
        (":AAAA:, :AAAA:", None),
        ("::", None),
        (":AAAA:", ""),
        (":AAAA:", ":AAAA:,"),
        (":AAAA:", ",".join([":AAAA:"] * 7)),
        (":ÀÀÀÀ:", None),
    ],
)
def test_headers_that_are_not_as_rfc_9440_says_are_malformed(leaf, chain):
    with pytest.raises(Malformed):
        read_client_cert(leaf, chain)


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (None, PROXY),
        ("198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("203.0.113.9,198.51.100.1, 10.0.0.9", "198.51.100.1"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("198.51.100.1, onbekend", PROXY),
        ("198.51.100.1, onbekend, 10.0.0.9", "10.0.0.9"),
        ("198.51.100.1,", PROXY),
        ("", PROXY),
        (",".join(["203.0.113.9"] * 500), "203.0.113.9"),
    ],
)
def test_the_source_is_the_last_address_that_is_no_proxy_of_ours(value, source):
    headers = {} if value is None else {"x-forwarded-for": value, "forwarded": "for=203.0.113.99"}
    assert arrivals().read(scope(), headers)[0] == source


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ("For=198.51.100.1;proto=https;by=203.0.113.43", "198.51.100.1"),
        ("proto=https;for=198.51.100.1", "198.51.100.1"),
        ('for=203.0.113.9, for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="198.51.100.1:80"', "198.51.100.1"),
        ("for=unknown", PROXY),
        ("for=_verborgen", PROXY),
        ("proto=https", PROXY),
        ('for=203.0.113.9;a=", for="[2001:db8::1]"', PROXY),
        ('for=203.0.113.9;x="for=198.51.100.9", for=198.51.100.1', "198.51.100.1"),
        ('a="\\", for=203.0.113.9, for=198.51.100.1', PROXY),
        ('for=203.0.113.9;a="x\\"y", for=198.51.100.1', "198.51.100.1"),
        ("afor=203.0.113.9", PROXY),
        ("", PROXY),
    ],
)
def test_forwarded_is_read_by_its_grammar_and_a_quotation_swallows_nothing(value, source):
    headers = {"forwarded": value, "x-forwarded-for": "203.0.113.99"}
    assert arrivals("forwarded").read(scope(), headers)[0] == source


@given(st.text(alphabet='for=";,\\ 10.2[]:_aF', max_size=80), st.booleans())
def test_what_a_caller_writes_never_hides_what_the_proxy_adds(written, quoted):
    added = 'for="[2001:db8::1]:80"' if quoted else "for=198.51.100.1"
    real = "2001:db8::1" if quoted else "198.51.100.1"
    source, _ = arrivals("forwarded").read(scope(), {"forwarded": f"{written}, {added}"})
    assert source in {real, PROXY}


@given(st.text(max_size=60))
def test_nothing_that_a_caller_writes_breaks_the_reading(text):
    read_forwarded(text)
    read_node(text)
    for header in ("forwarded", "x-forwarded-for"):
        arrivals(header).read(scope(), {header: text})
