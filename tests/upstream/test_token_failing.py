"""Whoever gets no token is told of, however many of its tenant get theirs."""

from gateway.token_failing import REMEMBERED, Failing

DEAD = (3, 7, "productie", "000001-x")


def test_one_that_fails_twice_in_a_row_is_told_of_until_it_gets_a_token():
    failing = Failing(10)
    failing.note(DEAD, 1, 0.0)
    assert failing.by_tenant(0.0) == {}
    failing.note(DEAD, 2, 5.0)
    failing.forget((3, 8, "productie", "000002-y"))
    assert failing.by_tenant(5.0) == {3: 1}
    failing.forget(DEAD)
    assert failing.by_tenant(5.0) == {}


def test_an_aansluiting_is_counted_once_however_many_scopes_fail_and_each_tenant_for_itself():
    failing = Failing(10)
    for name in (DEAD, (3, 7, "productie", "acc-bba"), (3, 9, "productie", "a"), (4, 7, "productie", "a")):
        failing.note(name, 2, 0.0)
    assert failing.by_tenant(1.0) == {3: 2, 4: 1}


def test_what_nobody_asks_for_any_more_is_told_of_for_an_hour():
    failing = Failing(10)
    failing.note(DEAD, 9, 0.0)
    assert failing.by_tenant(REMEMBERED - 1) == {3: 1}
    assert failing.by_tenant(REMEMBERED) == {}


def test_what_is_kept_is_bounded_and_what_failed_longest_ago_goes_first():
    failing = Failing(2)
    for number in (1, 2, 1, 3):
        failing.note((number, 1, "productie", "a"), 2, float(number))
    assert failing.by_tenant(0.0) == {1: 1, 3: 1}
