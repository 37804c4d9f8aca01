"""The report and the letter as values: nothing is lost on the way to them, and whatever stands in a name can be set."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.inzage.brief import set_letter
from tenants.inzage.brieftekst import Briefhoofd, letter_of, moments_in_words, settable_text
from tenants.inzage.rapport import Rapport, blokken_of, make_rapport
from tenants.inzage.verstrekkingen import Gathered, Verstrekking
from tenants.inzage.verzoek import AMSTERDAM, Betrokkenen, Iemand, whole_period
from tenants.model import Bsn
from tenants.subjects import ANummer, Subject

RECEIVED = date(2026, 11, 2)
START = datetime(2026, 1, 1, tzinfo=UTC)


def verstrekking(number: int = 1, ontvanger: str = "College", rubrieken: tuple[str, ...] = ("010240",)) -> Verstrekking:
    return Verstrekking(
        UUID(int=number), START + timedelta(hours=number), "verstrekt", "990001", ontvanger, "art. 3.5 Wet BRP", "taak",
        "personen", rubrieken, ("010120",), None,
    )  # fmt: skip


def rapport_of(*found: Verstrekking) -> Rapport:
    return make_rapport(
        Gathered(1, found, (), 0, {}, {}), lezer="betrokkene", organisatie="Gemeente Testdam", kenmerk="INZ-1",
        wet="wet-brp-3.22", ontvangen_op=RECEIVED, gemaakt_op=START, periode=whole_period(RECEIVED), bewaartermijn=20,
    )  # fmt: skip


def letter(rapport: Rapport, naam: str = "A. Jansen") -> bytes:
    return set_letter(
        letter_of(rapport, Betrokkenen(Subject(Bsn("999990019")), Iemand(naam)), Briefhoofd((), "Hier", ()))
    )


kinds = st.tuples(st.sampled_from(["Een", "Twee"]), st.sampled_from([("010240",), ("010240", "081110"), ()]))


@given(st.lists(kinds, max_size=40))
def test_every_disclosure_stands_in_exactly_one_row_of_the_letter(found: list[tuple[str, tuple[str, ...]]]):
    rapport = rapport_of(*(verstrekking(number, *one) for number, one in enumerate(found)))
    moments = [moment for blok in blokken_of(rapport.regels) for _, at in blok.sets for moment in at]
    assert sorted(moments) == sorted(one.op for one in rapport.regels)
    assert len(moments) == len(found)


def test_moments_are_told_by_day_and_many_of_a_day_together():
    day = datetime(2026, 3, 29, 8, 5, tzinfo=AMSTERDAM)
    assert moments_in_words([day, day + timedelta(hours=2)]) == ["29 maart 2026, 8.05 en 10.05 uur"]
    assert moments_in_words([day + timedelta(minutes=one) for one in range(7)]) == [
        "29 maart 2026, 7 keer tussen 8.05 en 8.11 uur"
    ]
    assert moments_in_words([day + timedelta(days=1), day]) == ["29 maart 2026, 8.05 uur", "30 maart 2026, 8.05 uur"]


def test_times_are_those_of_the_netherlands():
    (one,) = rapport_of(verstrekking(0)).regels
    assert (one.op.hour, one.op.utcoffset()) == (1, timedelta(hours=1))


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 12, 31), date(2026, 3, 29)])
def test_twenty_years_end_with_the_day_of_the_request(day: date):
    begin, end = (moment.astimezone(AMSTERDAM) for moment in whole_period(day))
    assert (end.date(), end.hour, end.minute) == (day + timedelta(days=1), 0, 0)
    assert (begin.year, begin.month, begin.hour) == (day.year - 20, day.month, 0)


def test_the_font_has_a_sign_for_everything_that_is_not_replaced():
    kept = [chr(code) for code in range(0x20, 0x3000) if settable_text(chr(code)) == chr(code)]
    assert len(kept) > 1_300
    assert set("ŞşğĞłőűřÅĳ’–…€žʻ") <= set(kept)
    letter(rapport_of(verstrekking(ontvanger=" ".join(f"a{sign}" for sign in kept))))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_letter_is_set_whatever_stands_in_a_name(naam: str, ontvanger: str):
    assert letter(rapport_of(verstrekking(ontvanger=ontvanger)), naam or "x").startswith(b"%PDF-")


def test_numbers_of_persons_never_show_themselves():
    subject = Subject(Bsn("999990019"), ANummer("1234567890"))
    assert not [one for one in ("999990019", "1234567890") if one in repr(subject) + str(subject)]
    for wrong in ("123456789", "0123456789", "12345678901", "١٢٣٤٥٦٧٨٩٠"):
        with pytest.raises(ValueError, match="ten digits"):
            ANummer(wrong)
