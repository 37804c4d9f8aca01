"""Header profiles: the suppliers' headers are understood, narrow what credentials allow, and never widen it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import NamedAansluiting
from gateway.choose import choose
from gateway.entries import RECORDED_HEADERS
from gateway.errors import Blocked, KoppelpuntError, NotPermitted
from gateway.profiles import COMPILED, apply_profile, compile_profile, narrow
from gateway.snapshot import Snapshot
from tenants.faults import InputRefused
from tenants.header_profiles import PROFILES, read_profile
from tenants.model import AfnemerId
from tests import values
from tests.values import NOW

SUPPLIERS = {
    "iconnect": {
        "x-origin-oin": values.oin(1), "x-afnemer-oin": values.oin(1), "x-doelbinding": "burgerzaken",
        "x-verwerking": "https://example.org/v/1", "x-gebruiker": "j.devries", "x-toepassing": "Burgerzaken",
    },
    "2secure": {
        "x-origin-oin": values.oin(1), "x-doelbinding": "burgerzaken", "x-verwerking": "v", "x-gebruiker": "j.devries",
        "x-applicatie": "Zaken",
    },
    "centric": {
        "x-request-organization": values.oin(1), "x-request-afnemerscode": "000001", "x-request-user": "j.devries",
        "x-request-application": "eServices",
    },
    "amsterdam": {"x-task-description": "burgerzaken", "x-user": "j.devries", "x-correlation-id": "b1c2"},
    "nlx": {
        "x-nlx-request-delegator": values.oin(1), "x-nlx-request-process-id": "burgerzaken",
        "x-nlx-requester-user": "j.devries", "x-nlx-request-application-id": "zaken",
    },
}  # fmt: skip


def narrowed(name: str, headers, **changes):
    return narrow(replace(values.caller(1), **changes), headers, COMPILED[name])


def code_of(name: str, headers, **changes) -> str:
    with pytest.raises(NotPermitted) as caught:
        narrowed(name, headers, **changes)
    return caught.value.code


@pytest.mark.parametrize("name", SUPPLIERS)
def test_the_headers_of_each_supplier_are_understood(name: str) -> None:
    caller = narrowed(name, SUPPLIERS[name])
    assert caller.user == "j.devries"
    assert caller.doelbinding == (None if name == "centric" else "burgerzaken")
    organisation = None if name == "amsterdam" else values.oin(1)
    afnemer_id = AfnemerId("000001") if name == "centric" else None
    expected = () if name == "amsterdam" else (NamedAansluiting("header", afnemer_id, organisation),)
    assert caller.named == expected


@pytest.mark.parametrize("name", SUPPLIERS)
def test_every_header_of_a_supplier_is_recorded_whatever_the_profile(name: str) -> None:
    assert COMPILED[name].headers <= RECORDED_HEADERS
    assert set(SUPPLIERS[name]) <= COMPILED[name].headers


def test_without_a_profile_headers_say_nothing() -> None:
    caller = values.caller(1)
    everything = {header: value for headers in SUPPLIERS.values() for header, value in headers.items()}
    assert apply_profile(caller, everything, {}) == caller
    assert narrowed("none", everything) == caller


@pytest.mark.parametrize("name", SUPPLIERS)
def test_headers_that_are_not_sent_name_nothing(name: str) -> None:
    caller = narrowed(name, {"accept": "application/json"})
    assert (caller.named, caller.user, caller.doelbinding) == ((), None, None)
    assert narrowed(name, dict.fromkeys(SUPPLIERS[name], "  ")) == caller


def test_an_organisation_that_is_no_oin_and_an_afnemer_without_six_digits_are_refused() -> None:
    assert code_of("iconnect", {"x-origin-oin": "gemeente 1"}) == "headerOngeldig"
    assert code_of("centric", {"x-request-afnemerscode": "00001"}) == "headerOngeldig"
    assert code_of("centric", {"x-request-afnemerscode": "00000१"}) == "headerOngeldig"


def test_two_headers_for_one_thing_must_say_the_same() -> None:
    headers = {"x-origin-oin": values.oin(1), "x-afnemer-oin": values.oin(2)}
    assert code_of("iconnect", headers) == "headersTegenstrijdig"


@pytest.mark.parametrize(("length", "taken"), [(242, True), (243, False)])
def test_verwerking_has_242_characters_at_most(length: int, taken: bool) -> None:
    headers = {"x-verwerking": "v" * length}
    if taken:
        assert narrowed("iconnect", headers).named == ()
    else:
        assert code_of("iconnect", headers) == "headerOngeldig"


def test_a_user_that_a_token_names_too_must_be_the_same() -> None:
    assert code_of("iconnect", {"x-gebruiker": "een"}, user="ander") == "gebruikerTegenstrijdig"
    assert narrowed("iconnect", {"x-gebruiker": "een"}, user="een").user == "een"
    assert narrowed("iconnect", {}, user="een").user == "een"


def test_what_a_refusal_says_names_the_header_and_never_its_value() -> None:
    with pytest.raises(NotPermitted) as caught:
        narrowed("iconnect", {"x-gebruiker": "geheim\x07"})
    assert "x-gebruiker" in caught.value.detail
    assert "geheim" not in caught.value.detail


OWN = {
    "based_on": "iconnect",
    "roles": {
        "user": {"headers": ["X-Medewerker"], "obligatory": True, "longest": 20, "charset": "word"},
        "doelbinding": {"obligatory": True},
        "verwerking": None,
    },
}


def test_an_own_profile_leans_on_a_known_one_and_says_what_is_obligatory() -> None:
    own = compile_profile(read_profile("eigen", OWN))
    headers = {"x-medewerker": "jdv-1", "x-doelbinding": "burgerzaken", "x-gebruiker": "iemand anders"}
    caller = narrow(values.caller(1), headers, own)
    assert (caller.user, caller.doelbinding) == ("jdv-1", "burgerzaken")
    assert "x-medewerker" in caller.profile_headers
    assert "x-verwerking" not in caller.profile_headers
    for missing in ("x-medewerker", "x-doelbinding"):
        with pytest.raises(NotPermitted, match="headerOntbreekt") as caught:
            narrow(values.caller(1), {**headers, missing: ""}, own)
        assert missing in caught.value.detail
    for wrong in ("te lang" * 10, "met spatie", "ë"):
        with pytest.raises(NotPermitted, match="headerOngeldig"):
            narrow(values.caller(1), {**headers, "x-medewerker": wrong}, own)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"roles": {"user": {"headers": ["Authorization"]}}}, "meaning of its own"),
        ({"roles": {"user": {"headers": ["x-api-key"]}}}, "meaning of its own"),
        ({"roles": {"user": {"headers": ["accept-gezag-version"]}}}, "meaning of its own"),
        ({"roles": {"user": {"headers": ["client-cert"]}}}, "meaning of its own"),
        ({"roles": {"user": {"headers": ["x gebruiker"]}}}, "letters, digits"),
        ({"roles": {"user": {}}}, "no header is named"),
        ({"roles": {"user": {"headers": ["x-a"]}, "doelbinding": {"headers": ["X-A"]}}}, "plays two roles"),
        ({"roles": {"verwerking": {"headers": ["x-v"], "longest": 243}}}, "242 characters"),
        ({"roles": {"machtiging": {"headers": ["x-m"]}}}, "roles.machtiging"),
        ({"based_on": "eigen"}, "based_on"),
        ({"role": {}}, "role"),
    ],
)
def test_a_profile_that_would_read_what_it_must_not_is_refused(document, fault: str) -> None:
    with pytest.raises(InputRefused, match=fault):
        read_profile("eigen", document)


def test_a_profile_that_cannot_be_used_lets_nothing_through() -> None:
    caller = values.caller(1)
    caller = replace(caller, taaksysteem=replace(caller.taaksysteem, header_profile="eigen"))
    with pytest.raises(Blocked, match="headerprofielOnbruikbaar"):
        apply_profile(caller, {}, {(2, "eigen"): COMPILED["none"]})
    assert apply_profile(caller, {}, {(1, "eigen"): COMPILED["none"]}).user is None


def two_doelbindingen() -> Snapshot:
    second = replace(values.machtiging(1), machtiging_id=9, doelbinding="toezicht")
    return values.snapshot(values.part(1, values.machtiging(1), second), values.part(2, values.machtiging(2)))


def test_a_named_doelbinding_selects_among_the_machtigingen_and_an_unknown_one_is_refused() -> None:
    def chosen(doelbinding: str) -> int:
        caller = narrowed("iconnect", {"x-doelbinding": doelbinding})
        return choose(caller, values.bevraging(), two_doelbindingen(), NOW).machtiging.machtiging_id

    assert (chosen("burgerzaken"), chosen("toezicht")) == (1, 9)
    for unknown in ("Burgerzaken", "belastingen"):
        with pytest.raises(NotPermitted, match="doelbindingOnbekend"):
            chosen(unknown)


def test_a_header_that_contradicts_the_token_is_refused() -> None:
    caller = narrowed("nlx", {"x-nlx-request-delegator": values.oin(2)}, bound=(1, 1))
    with pytest.raises(NotPermitted):
        choose(caller, values.bevraging(), two_doelbindingen(), NOW)


VALUES = st.sampled_from(["", "burgerzaken", "toezicht", values.oin(1), values.oin(2), "000001", "000002", "j.devries"])


@given(
    name=st.sampled_from(sorted(PROFILES)),
    headers=st.dictionaries(st.sampled_from(sorted(RECORDED_HEADERS)), VALUES | st.text(max_size=30)),
    bound=st.sampled_from([None, (1, 1), (2, 2)]),
    fixed=st.booleans(),
)
def test_no_header_ever_yields_more_than_the_credentials_alone(name: str, headers, bound, *, fixed: bool) -> None:
    snapshot = two_doelbindingen()
    caller = replace(values.caller(1, fixed=fixed), bound=bound)
    try:
        choice = choose(narrow(caller, headers, COMPILED[name]), values.bevraging(), snapshot, NOW)
    except KoppelpuntError:
        return
    allowed = {(m.tenant_id, m.machtiging_id) for m in snapshot.machtigingen_of(caller.taaksysteem)}
    assert (choice.machtiging.tenant_id, choice.machtiging.machtiging_id) in allowed
    assert bound in {None, (1, 1)}
