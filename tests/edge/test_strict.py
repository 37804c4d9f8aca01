"""What a request may look like: properties of the pure rules."""

import re
import string
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge.strict import read_headers, read_path, read_query, read_trace
from gateway.errors import Malformed
from gateway.identifiers import make_uuid7_source

HOST = (b"host", b"koppelpunt.example")
OWN = UUID("01942f5e-7f3c-7a5b-9c11-2f6f5a1f0c77")
SEGMENTS = st.lists(st.text(string.ascii_letters + string.digits + "-_~,:@", min_size=1), min_size=1)


@given(SEGMENTS)
def test_a_plain_path_is_read_as_it_stands_and_so_is_its_escaped_form(segments):
    path = "/" + "/".join(segments)
    assert read_path(path.encode()) == path
    assert read_path("/".join(["", *(quote(one, safe="") for one in segments)]).encode()) == path


@given(st.binary())
@example(b"/a/%2e%2E/b")
@example(b"/a/%252e")
@example(b"/\xc3\xa9")
def test_what_comes_out_of_a_path_has_no_structure_that_was_not_there_plainly(raw):
    try:
        path = read_path(raw)
    except Malformed:
        return
    assert re.fullmatch(r"(/[^/%\\?#;\x00-\x20\x7f-\U0010ffff]*)+", path)
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))
    assert path.count("/") == raw.count(b"/")
    assert path.count(".") == raw.count(b".")


@given(st.binary())
def test_a_query_is_passed_on_as_received_or_not_at_all(raw):
    try:
        query = read_query(raw)
    except Malformed:
        return
    assert query.encode() == raw
    assert not re.search(r"[\x00-\x20\x7f]|%0|%1|%7f", query, re.IGNORECASE)


@given(st.lists(st.tuples(st.binary(), st.binary())))
def test_whatever_headers_come_they_are_read_or_refused(items):
    try:
        headers = read_headers([HOST, *items], "1.1")
    except Malformed:
        return
    assert headers["host"] == "koppelpunt.example"
    for name, value in headers.items():
        assert re.fullmatch(r"[!-~]+", name)
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)


def test_lists_may_be_repeated_and_are_joined():
    headers = read_headers([HOST, (b"accept", b"a"), (b"accept", b"b"), (b"via", b"1.1 a")], "1.1")
    assert headers["accept"] == "a, b"


@pytest.mark.parametrize(
    ("headers", "version", "code"),
    [
        ([], "1.1", "hostOntbreekt"),
        ([(b"host", b"")], "1.1", "hostOntbreekt"),
        ([HOST, HOST], "1.1", "headerDubbel"),
        ([HOST], "2", "httpVersie"),
        ([HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")], "1.1", "lengteTegenstrijdig"),
        ([HOST, (b"transfer-encoding", b"chunked")], "1.0", "transferEncoding"),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], "1.1", "transferEncoding"),
        ([HOST, (b"content-length", b"+1")], "1.1", "lengteOngeldig"),
        ([HOST, (b"content-length", b"1"), (b"content-length", b"1")], "1.1", "headerDubbel"),
        ([HOST, (b"content-length", "¹".encode())], "1.1", "lengteOngeldig"),
        ([HOST, (b"content-length", b"9" * 19)], "1.1", "lengteOngeldig"),
        ([HOST, (b"x-api-key", b"a\rb")], "1.1", "headerOngeldig"),
        ([HOST, (b"x api", b"a")], "1.1", "headerOngeldig"),
        ([HOST, (b"http2-settings", b"AA")], "1.1", "upgrade"),
        ([HOST, (b"x-groot", b"a" * 17_000)], "1.1", "headersTeGroot"),
    ],
)
def test_doubtful_headers_are_refused_whatever_the_server_let_through(headers, version, code):
    with pytest.raises(Malformed) as caught:
        read_headers(headers, version)
    assert caught.value.code == code


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE}-b7ad6b7169203331-01",
        f"01-{TRACE}-b7ad6b7169203331-01",
        f"cc-{TRACE}-b7ad6b7169203331-03-what-comes-later",
    ],
)
def test_a_callers_trace_goes_on_with_this_call_as_the_new_parent(value):
    trace = read_trace(value, OWN)
    assert trace.trace_id == UUID(TRACE)
    assert trace.traceparent == f"00-{TRACE}-{OWN.hex[16:]}-01"
    assert trace.caller_span == bytes.fromhex("b7ad6b7169203331")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-b7ad6b7169203331-1",
        f"00-{TRACE}-b7ad6b7169203331-01\n",
        f"cc-{TRACE}-b7ad6b7169203331-01-" + "a" * 600,
    ],
)
def test_a_missing_or_wrong_trace_is_a_new_one(value):
    trace = read_trace(value, OWN)
    assert trace.trace_id == OWN
    assert trace.traceparent == f"00-{OWN.hex}-{OWN.hex[16:]}-00"
    assert trace.caller_span is None


@given(st.lists(st.integers(0, 2**47 * 1_000_000), min_size=2, max_size=50))
def test_ids_rise_whatever_the_clock_does(readings):
    clock = iter(readings)
    source = make_uuid7_source(lambda: next(clock))
    made = [source() for _ in readings]
    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in made)


def test_an_id_holds_the_time_in_milliseconds():
    assert make_uuid7_source(lambda: 1_645_557_742_000_999_999)().int >> 80 == 1_645_557_742_000


def test_ids_of_one_moment_differ_and_their_random_part_is_fresh():
    source = make_uuid7_source(lambda: 1_645_557_742_000_000_000)
    tails = {source().int & ((1 << 62) - 1) for _ in range(100)}
    assert len(tails) == 100
