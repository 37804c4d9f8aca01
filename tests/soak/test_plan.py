"""The plan of faults: the same for the same seed, whole however short it is, and in time."""

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.soak.plan import LANES, make_plan

EVERY = {(lane, name) for lane, names in LANES.items() for name in names}


@given(some.integers(0, 10**9), some.floats(1, 1_200))
@settings(max_examples=50, deadline=None)
def test_every_fault_is_in_every_plan_and_none_begins_after_the_end(seed, seconds):
    plan = make_plan(seed, seconds)
    assert {(one.lane, one.name) for one in plan} == EVERY
    assert all(0 <= one.at <= seconds for one in plan)
    assert list(plan) == sorted(plan, key=lambda one: one.at)


def test_one_seed_is_one_plan_and_another_seed_another():
    assert make_plan(7, 300) == make_plan(7, 300)
    assert make_plan(7, 300) != make_plan(8, 300)


def test_a_longer_run_repeats_faults_only_after_all_of_the_lane_have_come():
    for lane, names in LANES.items():
        come = [one.name for one in make_plan(3, 600) if one.lane == lane]
        assert len(come) > len(names)
        assert set(come[: len(names)]) == set(names)
