"""Whatever a resolver sends: it is the answer to the question, or it is refused; never anything else."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.dns_messages import AAAA, A, DnsAnswer, DnsUnreadable, make_question, read_answer
from tests.upstream.network import answer_to

NAME = "apigw.rvig.test"
QUESTION = make_question(7, NAME, A)


@given(st.binary(max_size=300))
def test_anything_at_all_is_refused_or_read(data):
    with pytest.raises(DnsUnreadable):
        read_answer(data, 7, NAME, A)


@given(st.data())
def test_a_true_answer_with_anything_changed_is_refused_or_read(data):
    whole = bytearray(answer_to(QUESTION, {NAME: ("=a.test", "10.0.0.1", "10.0.0.2")}))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for message in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(DnsUnreadable):
            assert isinstance(read_answer(message, 7, NAME, A), DnsAnswer)


@pytest.mark.parametrize(("kind", "address"), [(A, "10.0.0.1"), (AAAA, "fd00::1")])
def test_an_answer_is_read_over_its_alias(kind, address):
    question = make_question(9, NAME.upper() + ".", kind)
    records = {NAME: ("=a.test", address)}
    assert read_answer(answer_to(question, records, seconds=5), 9, NAME, kind) == DnsAnswer(0, False, (address,), 5)


def test_an_address_of_another_name_in_the_answer_is_not_taken():
    other = b"\x05ander\x04test\0" + struct.pack("!HHIH", A, 1, 60, 4) + b"\x0a\x06\x06\x06"
    whole = answer_to(QUESTION, {NAME: ("10.0.0.1",)})
    message = whole[:6] + b"\0\2" + whole[8:] + other
    assert read_answer(message, 7, NAME, A).addresses == ("10.0.0.1",)


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, "é.test", ".".join(["abcdefgh"] * 40)])
def test_what_is_no_host_name_is_not_asked(name):
    with pytest.raises(DnsUnreadable):
        make_question(1, name, A)


def test_aliases_and_pointers_without_end_are_refused():
    loop = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    message = QUESTION[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + QUESTION[12:] + loop
    with pytest.raises(DnsUnreadable):
        read_answer(message, 7, NAME, A)
    ahead = QUESTION[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + QUESTION[12:] + b"\xc0\xff" + b"\0" * 300
    with pytest.raises(DnsUnreadable):
        read_answer(ahead, 7, NAME, A)
