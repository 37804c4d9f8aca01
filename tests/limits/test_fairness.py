"""However others burst, whoever asks little gets a place; and those that keep asking end up with equally many."""

from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import TooMany
from gateway.fairness import OF_CALLS
from gateway.rations import Rations, Ticket

PLACES, MOST = 1024, 320


def rations(places: int = PLACES, most: int = MOST) -> Rations:
    return Rations(most, places, 1_000_000)


def take_all(made: Rations, tenant_id: int) -> list[Ticket]:
    """Ask until refused."""
    had: list[Ticket] = []
    while (ticket := take(made, tenant_id)) is not None:
        had.append(ticket)
    return had


def take(made: Rations, tenant_id: int) -> Ticket | None:
    try:
        return made.take(tenant_id).__enter__()
    except TooMany:
        return None


def leave(ticket: Ticket) -> None:
    ticket.__exit__(None, None, None)


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(1, 400)), max_size=60), st.integers(16, 2000))
def test_whatever_came_before_places_are_kept_and_a_refusal_has_its_reason(steps, places):
    made = rations(places)
    held: dict[int, list[Ticket]] = {}
    for tenant_id, arrives, count in steps:
        mine = held.setdefault(tenant_id, [])
        for _ in range(count):
            if not arrives:
                if mine:
                    leave(mine.pop())
                continue
            free = places - made.running
            ticket = take(made, tenant_id)
            if ticket is None:
                # Nobody is refused that has less than its limit and less than half of what is free.
                assert len(mine) >= min(MOST, OF_CALLS * free)
                break
            mine.append(ticket)
        assert made.running == sum(len(one) for one in held.values()) <= places
        assert all(len(one) <= MOST for one in held.values())
    for one in held.values():
        while one:
            leave(one.pop())
    assert (made.running, made.shares) == (0, {})


@pytest.mark.parametrize("count", [1, 4, 8, 12])
def test_the_next_tenant_finds_a_place_however_many_took_all_they_could(count):
    made = rations()
    taken = [len(take_all(made, number)) for number in range(count)]
    assert sum(taken) < PLACES
    # At the worst moment, when each came after the last had taken its fill.
    assert PLACES - made.running >= int(PLACES / (1 + OF_CALLS) ** count)
    assert take(made, 999) is not None


def test_four_bursting_tenants_leave_a_hundred_places_to_others():
    made = rations()
    for number in range(4):
        take_all(made, number)
    others = [take(made, 100 + number) for number in range(100)]
    assert None not in others


@settings(max_examples=25)
@given(st.integers(2, 10), st.integers(0, 9), st.integers(0, 10**6))
def test_those_that_keep_asking_end_up_with_equally_many_and_a_modest_one_gets_all_it_asks(count, first, seed):
    made, random = rations(600), Random(seed)
    held: dict[int, list[Ticket]] = {number: [] for number in range(count)}
    held[first % count] = take_all(made, first % count)
    modest: list[Ticket] = []
    for _ in range(800 * count):  # who began with the most gives one back in every second turn of its own
        number = random.randrange(count)
        if held[number] and random.random() < 0.5:
            leave(held[number].pop(random.randrange(len(held[number]))))
        while (ticket := take(made, number)) is not None:
            held[number].append(ticket)
        if len(modest) < 5:
            ticket = take(made, 99)
            assert ticket is not None
            modest.append(ticket)
        else:
            leave(modest.pop())
    fair = (600 - 5) * OF_CALLS / (1 + OF_CALLS * count)
    assert max(map(len, held.values())) <= min(MOST, fair * 1.2 + 2)
    assert min(map(len, held.values())) >= fair * 0.8 - 2


def test_a_refused_call_holds_nothing():
    made = rations(10, most=1)
    with ExitStack() as stack:
        stack.enter_context(made.take(1))
        with pytest.raises(TooMany):
            stack.enter_context(made.take(1))
        assert made.running == 1
    assert (made.running, made.shares) == (0, {})
