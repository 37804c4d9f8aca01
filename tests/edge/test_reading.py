"""Bodies: JSON that every reader reads alike, and gzip within a bound."""

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.reading import DEEPEST, NOTHING, decode_json, gunzip
from gateway.errors import Malformed

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_every_json_value_is_read(value, ascii_only):
    assert decode_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary())
def test_no_bytes_make_it_fail(body):
    value = decode_json(body)
    assert value is NOTHING or json.loads(body) == value


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_readers_never_differ(name, other):
    body = f'{{"a":[{{{json.dumps(name)}:1,{json.dumps(other)}:2}}]}}'.encode()
    value = decode_json(body)
    if value is not NOTHING:
        assert isinstance(value, dict)
        assert len(value["a"][0]) == 2


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_nesting_has_a_limit(depth):
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        body = opening * depth + b"1" + closing * depth
        assert (decode_json(body) is NOTHING) == (depth > DEEPEST)


def test_many_lists_beside_each_other_are_not_deep():
    assert decode_json(b"[" + b",".join([b"[]"] * 100) + b"]") == [[]] * 100


@given(st.binary(max_size=100_000))
def test_gzip_is_undone(body):
    assert gunzip(gzip.compress(body), 100_000) == body


@given(st.binary(min_size=1, max_size=2_000), st.integers(0, 5_000), st.binary(min_size=1, max_size=1))
def test_gzip_that_was_altered_is_refused_or_means_the_same(body, place, byte):
    packed = bytearray(gzip.compress(body))
    packed[place % len(packed)] = byte[0]
    try:
        assert gunzip(bytes(packed), 2_000) == body
    except Malformed as error:
        assert error.code in {"gzipOngeldig", "bodyTeGroot"}  # noqa: PT017 - the property is about both outcomes


def test_a_bomb_is_refused_before_it_has_grown():
    bomb = gzip.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    with pytest.raises(Malformed) as caught:
        gunzip(bomb, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "bodyTeGroot"
    assert peak < 4_000_000
