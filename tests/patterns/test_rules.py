"""The aansluitpatronen as rules: pattern × kind of organisation × certificate OIN × state of the agreements.

What must come out is written down here apart from the rules, as the brochure and the letter of 27 March 2026 say it.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.model import AfnemerId, Oin
from tenants.pattern_facts import Agreement, CertificateException, PatternFacts, Use
from tenants.patterns import check_pattern, missing_products, next_change, products_of, stops

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OWN, VENDOR, JOINT, STRANGER = (Oin(f"00000001{number:09d}000") for number in (1, 2, 3, 4))
PATTERNS = ("standaard", "saas", "delegatie", "gezamenlijk-personeel", "koppelpunt")
KINDS = ("gemeente", "overheidsorgaan", "derde", "samenwerkingsverband")
DAY = timedelta(days=1)

CERTIFICATES = {
    "own": (OWN, None),
    "leverancier's, without exception": (VENDOR, None),
    "leverancier's, by exception": (VENDOR, "leverancier"),
    "samenwerkingsverband's, without exception": (JOINT, None),
    "samenwerkingsverband's, by exception": (JOINT, "samenwerkingsverband"),
    "a stranger's": (STRANGER, None),
}

# Days from now on which it was signed, ends, and on which its grace ends.
AGREEMENTS: dict[str, tuple[int, int | None, int | None] | None] = {
    "none": None,
    "without end": (-100, None, None),
    "ends in 91 days": (-100, 91, None),
    "ends in 90 days": (-100, 90, None),
    "ends in 30 days": (-100, 30, None),
    "ends in 7 days": (-100, 7, None),
    "over": (-100, -1, None),
    "over, in grace": (-100, -1, 10),
    "over, and its grace too": (-100, -5, -1),
    "not yet begun": (1, 100, None),
}
ALARM = {"ends in 90 days": 90, "ends in 30 days": 30, "ends in 7 days": 7}


def agreement(kind: str, state: tuple[int, int | None, int | None], **changes) -> Agreement:
    start, end, grace = state

    def moment(days: int | None) -> datetime | None:
        return None if days is None else NOW + days * DAY

    return replace(
        Agreement(kind, None, "Leverancier", frozenset(), NOW + start * DAY, moment(end), moment(grace)), **changes
    )


def facts(pattern: str = "standaard", kind: str = "overheidsorgaan", **changes) -> PatternFacts:
    """An aansluiting that is as its pattern wants it, of an organisation that is its own tenant."""
    held = (agreement("contract", (-100, None, None)), agreement("verwerkersovereenkomst", (-100, None, None)))
    made = PatternFacts(
        tenant_id=1, aansluiting_id=1, pattern=pattern, environment="productie", afnemer_id=AfnemerId("000001"),
        organisation_oin=OWN, organisation_kind=kind, tenant_oin=OWN, tenant_kind=kind, certificate_oin=OWN,
        agreements=held, uses=(Use((1, 1), NOW - DAY, NOW + 900 * DAY),),
    )  # fmt: skip
    return replace(made, **changes)


def exception(holder: Oin, kind: str, **changes) -> CertificateException:
    made = CertificateException(
        AfnemerId("000001"), OWN, holder, kind, NOW - 10 * DAY, NOW + 400 * DAY, withdrawn=False
    )
    return replace(made, **changes)


def expected_of_organisation(pattern: str, kind: str) -> set[str]:
    joint = kind == "samenwerkingsverband"
    wrong = (pattern == "delegatie" and not joint) or (pattern == "gezamenlijk-personeel" and joint)
    return {"patroonPastNietBijOrganisatie"} if wrong else set()


ALLOWED_BY_EXCEPTION = {
    ("saas", "leverancier's, by exception"),
    ("koppelpunt", "leverancier's, by exception"),
    ("koppelpunt", "samenwerkingsverband's, by exception"),
    ("gezamenlijk-personeel", "samenwerkingsverband's, by exception"),
}


def expected_of_certificate(pattern: str, kind: str, certificate: str) -> set[str]:
    if certificate == "own" or (kind != "gemeente" and (pattern, certificate) in ALLOWED_BY_EXCEPTION):
        return set()
    if kind == "gemeente":
        return {"certificaatVanGemeenteVerplicht"}
    if pattern in {"standaard", "delegatie"}:
        return {"certificaatMoetEigenZijn"}
    return {"certificaatHouderOnjuist" if "by exception" in certificate else "certificaatUitzonderingOntbreekt"}


def expected_of_agreements(pattern: str, kind: str, state: str) -> set[str]:
    if pattern not in {"saas", "koppelpunt"}:
        return set()
    stopping = {"none": "Ontbreekt", "not yet begun": "NogNietIngegaan", "over, and its grace too": "Verlopen"}
    if kind != "gemeente":
        # Time alone stops no gemeente.
        stopping["over"] = "Verlopen"
    suffix = stopping.get(state)
    return {"contract" + suffix, "verwerkersovereenkomst" + suffix} if suffix else set()


TABLE = list(itertools.product(PATTERNS, KINDS, CERTIFICATES, AGREEMENTS))


@pytest.mark.parametrize(("pattern", "kind", "certificate", "state"), TABLE)
def test_what_stops_is_exactly_what_brochure_and_letter_forbid(
    pattern: str, kind: str, certificate: str, state: str
) -> None:
    oin, holder = CERTIFICATES[certificate]
    days = AGREEMENTS[state]
    held = () if days is None else (agreement("contract", days), agreement("verwerkersovereenkomst", days))
    made = facts(
        pattern, kind, certificate_oin=oin, borrowed=oin != OWN,
        exception=None if holder is None else exception(oin, holder), agreements=held,
    )  # fmt: skip
    found = check_pattern(made, NOW)
    assert {one.code for one in stops(found)} == (
        expected_of_organisation(pattern, kind)
        | expected_of_certificate(pattern, kind, certificate)
        | expected_of_agreements(pattern, kind, state)
    )
    assert all(one.text.endswith(".") and one.who for one in found)


@pytest.mark.parametrize("state", AGREEMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_calendar_alarms_at_90_30_and_7_days_and_after(kind: str, state: str) -> None:
    days = AGREEMENTS[state]
    if days is None:
        return
    held = (agreement("contract", days), agreement("verwerkersovereenkomst", days))
    found = check_pattern(facts("saas", kind, agreements=held), NOW)
    alarms = {(one.code, one.days) for one in found if one.severity == "alarms"}
    if state in ALARM:
        assert alarms == {("contractLooptAf", ALARM[state]), ("verwerkersovereenkomstLooptAf", ALARM[state])}
    elif state == "over, in grace" or (state == "over" and kind == "gemeente"):
        assert alarms == {("contractVerlopen", None), ("verwerkersovereenkomstVerlopen", None)}
    else:
        assert alarms == set()


def test_a_successor_that_follows_without_a_gap_alarms_nobody() -> None:
    chain = [
        agreement(kind, days)
        for kind in ("contract", "verwerkersovereenkomst")
        for days in ((-9, 5, None), (5, 400, None))
    ]
    assert check_pattern(facts("saas", agreements=tuple(chain)), NOW) == ()
    gap = [
        agreement(kind, days)
        for kind in ("contract", "verwerkersovereenkomst")
        for days in ((-9, 5, None), (6, 400, None))
    ]
    assert {one.days for one in check_pattern(facts("saas", agreements=tuple(gap)), NOW)} == {7}


def test_an_agreement_of_another_afnemer_of_the_tenant_does_not_count() -> None:
    other = tuple(replace(one, afnemer_id=AfnemerId("000002")) for one in facts().agreements)
    assert {one.code for one in check_pattern(facts("saas", agreements=other), NOW)} == {
        "contractOntbreekt", "verwerkersovereenkomstOntbreekt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"valid_until": NOW}, "certificaatUitzonderingVerlopen"),
        ({"valid_from": NOW + DAY}, "certificaatUitzonderingNogNietIngegaan"),
        ({"withdrawn": True}, "certificaatUitzonderingIngetrokken"),
        ({"holder_oin": STRANGER}, "certificaatUitzonderingOnjuist"),
        ({"organisation_oin": STRANGER}, "certificaatUitzonderingOnjuist"),
        ({"afnemer_id": AfnemerId("000002")}, "certificaatUitzonderingOnjuist"),
    ],
)
def test_an_exception_counts_only_while_it_stands_and_for_what_it_names(change, code: str) -> None:
    borrowed = facts("saas", certificate_oin=VENDOR, borrowed=True, exception=exception(VENDOR, "leverancier"))
    assert check_pattern(borrowed, NOW) == ()
    bent = replace(borrowed, exception=replace(exception(VENDOR, "leverancier"), **change))
    assert [one.code for one in stops(check_pattern(bent, NOW))] == [code]


@pytest.mark.parametrize(("days", "threshold"), [(91, None), (90, 90), (30, 30), (7, 7), (1, 7)])
def test_the_end_of_an_exception_alarms_beforehand(days: int, threshold: int | None) -> None:
    ending = exception(VENDOR, "leverancier", valid_until=NOW + days * DAY)
    found = check_pattern(facts("saas", certificate_oin=VENDOR, borrowed=True, exception=ending), NOW)
    assert [one.days for one in found] == ([] if threshold is None else [threshold])


def test_the_own_oin_in_another_tenants_keeping_needs_an_exception_too() -> None:
    assert [one.code for one in check_pattern(facts("saas", borrowed=True), NOW)] == [
        "certificaatUitzonderingOntbreekt"
    ]


def test_an_afnemer_under_the_oin_of_a_gemeente_is_that_gemeente() -> None:
    made = facts(
        "saas", "overheidsorgaan", tenant_kind="gemeente", certificate_oin=VENDOR, borrowed=True,
        exception=exception(VENDOR, "leverancier"),
    )  # fmt: skip
    assert [one.code for one in check_pattern(made, NOW)] == ["certificaatVanGemeenteVerplicht"]


@pytest.mark.parametrize(("number", "code"), [(0, "geenTaaksysteem"), (1, None), (2, "teVeelTaaksystemen")])
def test_saas_is_for_exactly_one_taaksysteem(number: int, code: str | None) -> None:
    uses = tuple(Use((1, index), NOW - DAY, NOW + DAY) for index in range(number))
    found = check_pattern(facts("saas", uses=uses + uses), NOW)
    assert [one.code for one in found] == ([] if code is None else [code])
    assert bool(stops(found)) == (number == 2)
    assert check_pattern(facts("koppelpunt", uses=uses), NOW) == ()


def test_a_taaksysteem_that_follows_another_is_not_a_second_one() -> None:
    uses = (Use((1, 1), NOW - DAY, NOW), Use((1, 2), NOW, NOW + DAY))
    assert check_pattern(facts("saas", uses=uses), NOW) == ()


def test_users_that_are_never_named_stop_gezamenlijk_personeel_and_nothing_else() -> None:
    for pattern in PATTERNS:
        kind = "samenwerkingsverband" if pattern == "delegatie" else "gemeente"
        codes = [one.code for one in check_pattern(facts(pattern, kind, users=False), NOW)]
        assert codes == (["gebruikerOntbreekt"] if pattern == "gezamenlijk-personeel" else [])


def test_separate_installations_never_share_a_certificate() -> None:
    (found,) = check_pattern(facts(shared_with=("proef",)), NOW)
    assert (found.code, found.severity) == ("certificaatGedeeldMetAndereInstallatie", "stops")


def test_no_certificate_and_no_known_pattern_are_findings_too() -> None:
    assert [one.code for one in check_pattern(facts(certificate_oin=None), NOW)] == ["certificaatOntbreekt"]
    assert [one.code for one in check_pattern(facts("nieuw"), NOW)] == ["aansluitpatroonOnbekend"]


def granted(*products: str, **changes) -> Agreement:
    return agreement("aanvullende_autorisatie", (-1, 100, None), products=frozenset(products), **changes)


CONVENANT = agreement("convenant", (-1, None, None))


@pytest.mark.parametrize("kind", ["overheidsorgaan", "derde", "samenwerkingsverband"])
def test_informatieproducten_need_an_additional_authorisation_and_a_convenant(kind: str) -> None:
    def codes(*held: Agreement, asked: tuple[str, ...] = ("gezag",)) -> list[str]:
        return [one.code for one in missing_products(facts(kind=kind, agreements=held), asked, NOW)]

    assert codes() == ["aanvullendeAutorisatieOntbreekt", "convenantOntbreekt"]
    assert codes(CONVENANT) == ["aanvullendeAutorisatieOntbreekt"]
    assert codes(CONVENANT, granted("leeftijd")) == ["aanvullendeAutorisatieOntbreekt"]
    assert codes(granted("gezag")) == ["convenantOntbreekt"]
    assert codes(CONVENANT, granted("gezag")) == []
    assert codes(CONVENANT, granted("gezag"), asked=("gezag", "leeftijd")) == ["aanvullendeAutorisatieOntbreekt"]
    assert codes(CONVENANT, granted("gezag"), granted("leeftijd"), asked=("gezag", "leeftijd")) == []
    assert codes(CONVENANT, granted("gezag", valid_until=NOW)) == ["aanvullendeAutorisatieOntbreekt"]
    assert codes(asked=()) == []


def test_a_gemeente_asks_informatieproducten_by_itself() -> None:
    assert missing_products(facts(kind="gemeente", agreements=()), ("gezag", "leeftijd", "adressering"), NOW) == ()


def test_informatieproducten_are_known_by_the_names_of_their_fields() -> None:
    fields = ("naam", "gezag", "adresseringBinnenland.adresregel1", "leeftijd", "geboorte.datum")
    assert products_of(fields) == {"gezag", "adressering", "leeftijd"}
    assert products_of(("naam", "verblijfplaats", "kinderen.leeftijd")) == frozenset()


def test_a_machtiging_that_names_informatieproducten_alarms_before_a_call_is_refused() -> None:
    found = check_pattern(facts(products=frozenset({"gezag"})), NOW)
    assert {(one.code, one.severity) for one in found} == {
        ("aanvullendeAutorisatieOntbreekt", "alarms"), ("convenantOntbreekt", "alarms"),
    }  # fmt: skip


days_of = st.integers(-200, 200)
agreements_of = st.builds(
    lambda kind, start, length, grace: agreement(
        kind,
        (
            start,
            None if length is None else start + length,
            None if length is None or grace is None else start + length + grace,
        ),
    ),
    st.sampled_from(["contract", "verwerkersovereenkomst"]),
    days_of,
    st.none() | st.integers(1, 200),
    st.none() | st.integers(0, 100),
)


@given(
    pattern=st.sampled_from(["saas", "koppelpunt", "gezamenlijk-personeel"]),
    kind=st.sampled_from(KINDS),
    held=st.lists(agreements_of, max_size=4),
    until=days_of,
    ahead=st.floats(0, 1, exclude_max=True),
)
def test_nothing_that_stops_changes_before_the_next_change(pattern, kind, held, until: int, ahead: float) -> None:
    made = facts(
        pattern, kind, agreements=tuple(held), certificate_oin=VENDOR, borrowed=True,
        exception=exception(VENDOR, "leverancier", valid_from=NOW - 300 * DAY, valid_until=NOW + until * DAY),
        uses=(Use((1, 1), NOW - 300 * DAY, NOW + 50 * DAY), Use((1, 2), NOW + 20 * DAY, NOW + 300 * DAY)),
    )  # fmt: skip
    change = next_change(made, NOW) or NOW + 1000 * DAY
    # The product is rounded to a microsecond, which may be the change itself.
    later = min(NOW + (change - NOW) * ahead, change - timedelta(microseconds=1))
    assert stops(check_pattern(made, later)) == stops(check_pattern(made, NOW))
