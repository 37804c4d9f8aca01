"""Token buckets: how much at once, how much after, and never more memory than said."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.rates import Rates


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_more_passes_than_the_burst_and_what_came_in_since(pauses):
    rates = Rates(burst=5, per_second=2, most=10)
    now, passed = 0.0, 0
    for pause in pauses:
        now += pause
        if rates.take("a", now) == 0.0:
            passed += 1
        assert passed <= 5 + 2 * now + 1e-6


def test_a_spent_bucket_says_how_long_to_wait_and_is_right():
    rates = Rates(burst=3, per_second=0.5, most=10)
    assert [rates.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.take("a", 100.0) == rates.wait_of("a", 100.0) == 2.0
    assert rates.take("a", 101.9) > 0
    assert rates.take("a", 102.0) == 0.0


def test_one_key_does_not_slow_another():
    rates = Rates(burst=1, per_second=0.1, most=10)
    assert rates.take("a", 0.0) == 0.0
    assert rates.take("a", 0.0) > 0
    assert rates.take("b", 0.0) == 0.0


def test_a_flood_of_keys_takes_bounded_memory_and_frees_no_spent_bucket():
    rates = Rates(burst=1, per_second=0.1, most=100)
    rates.take("mine", 0.0)
    for number in range(10_000):
        rates.take(number, number / 1000)
    assert len(rates) == 100
    assert rates.take("mine", 9.0) > 0


def test_room_comes_back_when_buckets_have_filled_again():
    rates = Rates(burst=1, per_second=1, most=10)
    for number in range(10):
        assert rates.take(number, 0.0) == 0.0
    assert rates.take("new", 0.5) > 0
    assert rates.take("new", 2.0) == 0.0
    assert len(rates) == 1


def test_waiting_takes_nothing():
    rates = Rates(burst=1, per_second=1, most=10)
    assert rates.wait_of("a", 0.0) == 0.0
    assert len(rates) == 0
