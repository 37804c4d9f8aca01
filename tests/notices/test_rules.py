"""What is told at which moment: each threshold once, the nearest one only, in words without gaps."""

import dataclasses
import string
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.notices.kinds import EINDES, GEBEURTENISSEN
from tenants.notices.rules import ENDED, THRESHOLDS, Fact, notices_of, threshold_of, unusual_readings

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
CERTIFICATE = Fact(1, "certificaat", "5", "x", due_at=NOW, facts={"nummer": 5, "oin": "00000001001234567000"})


def at(**distance: float) -> datetime:
    return NOW + timedelta(**distance)


@pytest.mark.parametrize(
    ("left", "threshold"),
    [(91, None), (90, "90"), (61, "90"), (60, "60"), (30, "30"), (14, "14"), (8, "14"), (7, "7"), (0.1, "7"), (0, ENDED), (-5, ENDED)],
)  # fmt: skip
def test_the_nearest_threshold_that_has_come_counts(left, threshold):
    assert threshold_of(at(days=left), NOW) == threshold


@given(looks=st.lists(st.floats(min_value=0, max_value=120), min_size=1, max_size=60), due=st.floats(0, 100))
def test_however_often_is_looked_each_threshold_is_told_once_and_nearer_comes_later(looks, due):
    fact = dataclasses.replace(CERTIFICATE, due_at=at(days=due))
    told: list[str] = []
    for look in sorted(looks):
        for notice in notices_of([fact], at(days=look)):
            if notice.threshold not in told:
                told.append(notice.threshold)
    order = [str(days) for days in reversed(THRESHOLDS)] + [ENDED]
    places = [order.index(one) for one in told]
    assert all(one < other for one, other in pairwise(places))
    # Whoever looks once a day misses none that is still to come.
    daily = {notice.threshold for day in range(int(due) + 2) for notice in notices_of([fact], at(days=day, seconds=1))}
    assert daily >= {str(days) for days in THRESHOLDS if days < due - 1} | {ENDED}


def test_what_is_seen_late_is_told_once():
    (notice,) = notices_of([dataclasses.replace(CERTIFICATE, due_at=at(days=20))], NOW)
    assert notice.threshold == "30"
    assert notice.subject == "Certificaat 5 van OIN 00000001001234567000 verloopt over 20 dagen"
    assert "21 maart 2027 om 13:00" in notice.words


def test_in_the_last_week_the_emergency_contact_hears_of_it_too():
    (early,) = notices_of([dataclasses.replace(CERTIFICATE, due_at=at(days=20))], NOW)
    (late,) = notices_of([dataclasses.replace(CERTIFICATE, due_at=at(days=6))], NOW)
    (over,) = notices_of([CERTIFICATE], NOW)
    assert [("nood" in one.contacts) for one in (early, late, over)] == [False, True, True]
    assert over.subject.endswith("is verlopen")


FACTS = {
    "nummer": 4, "oin": "0" * 20, "houder": "Houder", "afnemer": "990001", "omgeving": "productie", "soort": "contract",
    "partij": "Leverancier", "van": "Een", "aan": "Twee", "wat": "certificaat", "status": 401, "code": "AUTH-F002",
    "aantal": 3, "wie": "beheerder", "besluit": "aanvaard", "waarde": "990001", "register": "productie", "dag": "1 mei 2027",
    "gewoon": 2,
}  # fmt: skip
SORTS = {"rvig_weigert": "accountGeblokkeerd", "blokkade": "afnemer", "blokkade_opgeheven": "afnemer"}


@pytest.mark.parametrize("kind", [*EINDES, *GEBEURTENISSEN])
def test_every_kind_has_whole_sentences_and_says_what_to_do(kind):
    facts = FACTS | ({"soort": SORTS[kind]} if kind in SORTS else {})
    (notice,) = notices_of([Fact(1, kind, "4", "x", at(days=-7), at(days=5), facts)], NOW)
    first, do = notice.words.split("\n\n")
    assert first.endswith(".")
    assert do.startswith("Wat u kunt doen: ")
    assert do.endswith((".", ")"))
    assert notice.contacts
    for text in (notice.subject, notice.words):
        assert not set("{}") & set(text)
    assert len(notice.subject) < 120


def test_no_template_names_what_the_facts_do_not_have():
    known = FACTS.keys() | {"moment", "uiterlijk", "reden"}
    kinds: list[Any] = [*EINDES.values(), *GEBEURTENISSEN.values()]
    for kind in kinds:
        for text in (getattr(kind, one.name) for one in dataclasses.fields(kind)):
            if isinstance(text, str):
                assert {name for _, name, _, _ in string.Formatter().parse(text) if name} <= known


def test_post_that_waits_is_told_after_two_days_and_again_before_it_goes():
    def thresholds(days: float) -> list[str]:
        return [
            one.threshold
            for one in notices_of([Fact(1, "post_wacht", "4", "x", at(days=-days), at(days=7 - days), FACTS)], NOW)
        ]

    assert [thresholds(days) for days in (1.9, 2, 4.9, 5)] == [[], ["2"], ["2"], ["5"]]


@pytest.mark.parametrize(
    ("usual", "today", "is_told"),
    [([], 19, False), ([], 20, True), ([2, 3, 1], 19, False), ([2, 3, 1], 20, True), ([30, 40], 100, False), ([30, 40], 106, True)],
)  # fmt: skip
def test_a_day_of_many_readings_stands_out_against_the_days_before(usual, today, is_told):
    day = date(2027, 3, 1)
    counts = {1: {day: today} | {day - timedelta(days=3 + number): count for number, count in enumerate(usual)}}
    found = list(unusual_readings(counts, day))
    assert [one.occasion for one in found] == (["2027-03-01"] if is_told else [])
