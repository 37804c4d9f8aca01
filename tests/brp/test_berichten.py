"""The routes, limits and messages of the BRP Berichten API."""

from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brp import berichten, messages, problems
from gateway.brp.berichten import Operation, Route, read_route
from gateway.brp.messages import Message
from gateway.brp.question import is_bsn
from tests.brp.cases import CASES
from tests.brp.strategies import any_json

ONE, TWO = "28122289-f2f2-41c3-b33d-4c25c6620e9b", "30e24fd3-d625-4bbb-8793-0c053c2aae1b"
A, B = "999993653", "999990524"


def fetched(content: object, bericht_type: str = "Ag11") -> tuple[Message, ...]:
    heading = {"berichtTransportId": ONE, "berichtType": bericht_type}
    return messages.fetched_messages({"opgehaaldeBerichten": [{"berichtKenmerken": heading, "berichtInhoud": content}]})


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/berichten", Route(Operation.LIST)),
        ("POST", "/berichten", Route(Operation.SEND)),
        ("GET", "/berichten/ping", Route(Operation.PING)),
        ("HEAD", "/berichten/ping", Route(Operation.PING)),
        ("GET", "/berichten/telling", Route(Operation.TELLING)),
        ("POST", "/berichten/conversie", Route(Operation.CONVERSIE)),
        ("GET", f"/berichten/{ONE}", Route(Operation.FETCH, (ONE,))),
        ("GET", f"/berichten/{ONE},{TWO},{ONE.upper()}", Route(Operation.FETCH, (ONE, TWO))),
        ("DELETE", f"/berichten/{TWO},{ONE}", Route(Operation.DELETE, (TWO, ONE))),
    ],
)
def test_a_method_and_a_path_are_an_operation(method, path, route):
    assert read_route(method, path) == route


def test_a_known_path_with_another_method_is_not_allowed():
    calls = [("DELETE", "/berichten"), ("GET", "/berichten/conversie"), ("POST", f"/berichten/{ONE}")]
    assert {read_route(*call) for call in calls} == {problems.METHOD_NOT_ALLOWED}


@pytest.mark.parametrize(
    "path", ["", "/", "/berichten/", "/berichten/x", f"/berichten/{ONE},", f"/berichten/,{ONE}", f"/berichten/{ONE}/x",
             f"/berichten/{ONE}\n", f"/berichten/{ONE} ", "/Berichten", f"/berichten/../{ONE}", "/berichten/ping/"]
)  # fmt: skip
def test_what_is_no_route_does_not_exist(path):
    assert read_route("GET", path) == problems.NOT_FOUND


def test_a_hundred_messages_may_be_fetched_or_deleted_at_once_and_no_more():
    ids = [str(uuid4()) for _ in range(101)]
    hundred, too_many = ("/berichten/" + ",".join(ids[:n]) for n in (100, 101))
    assert read_route("GET", hundred) == Route(Operation.FETCH, tuple(ids[:100]))
    assert read_route("GET", too_many) == berichten.TOO_MANY_FETCHED
    assert read_route("DELETE", too_many) == berichten.TOO_MANY_DELETED


def test_twenty_five_messages_may_be_sent_at_once_and_no_more():
    assert berichten.check_send({"berichten": [{}] * 25}) is None
    assert berichten.check_send({"berichten": [{}] * 26}) == berichten.TOO_MANY_SENT


def test_what_is_sent_must_be_a_list_of_messages():
    bodies: tuple[object, ...] = (None, [], {}, {"berichten": {}}, {"berichten": [{}, "x"]})
    for body in bodies:
        shape = berichten.check_send(body)
        assert shape is not None
        assert (shape.status, shape.type) == (400, "https://www.rvig.nl/brp/berichten-api/probleem/BBA-F999")


def test_a_message_may_be_64_kb():
    around = len(orjson.dumps({"vrijeTekst": ""}))
    fits = "x" * (64 * 1024 - around)
    assert not berichten.oversized({"vrijeTekst": fits})
    assert berichten.oversized({"vrijeTekst": f"{fits}x"})
    assert not berichten.oversized({"vrijeTekst": object()})


def test_a_problem_of_the_berichten_api_names_its_code_in_the_type():
    document = problems.problem_document(berichten.ACCOUNT_BLOCKED, "/api/brp/berichten/v1/berichten")
    assert document == {
        "type": "https://www.rvig.nl/brp/berichten-api/probleem/BBA-AUTH-F002",
        "title": "Authenticatiefout",
        "status": 401,
        "detail": "Het account is geblokkeerd.",
        "instance": "/api/brp/berichten/v1/berichten",
    }
    fault = berichten.fault_of_message("DELETE", berichten.NOT_FOUND, 404)
    assert fault.type == "https://www.rvig.nl/brp/berichten-api/probleem/BBA-DELETE-F003"


def test_counts_and_filters_that_do_not_exist_are_refused():
    assert berichten.check_telling("nieuw") is None
    assert berichten.check_telling("alles") == berichten.check_telling(None) == berichten.INVALID_TELLING
    assert berichten.check_list("nieuw,opgehaald", "1", "2000") is None
    assert berichten.check_list(None, None, None) is None
    for wrong in (("oud", None, None), (None, "0", None), (None, None, "-1"), (None, "²", None)):
        assert berichten.check_list(*wrong) == berichten.INVALID_LIST


def test_a_message_is_about_the_person_of_its_category_01_not_about_relatives():
    content = {"plData": {"c01": [{"e0120": A, "e0240": "Maassen"}], "c02": [{"e0120": B}]}}
    assert fetched(content) == (Message(ONE, "Ag11", (A,), rubrieken=("010120", "010240", "020120")),)


def test_a_message_of_references_is_about_the_person_of_its_category_21():
    (message,) = fetched({"plData": {"c21": [{"e0110": "2785294396", "e0120": A}]}})
    assert (message.bsns, message.unidentified) == ((A,), 0)


def test_an_answer_about_an_address_is_about_every_person_in_it():
    (message,) = fetched({"plDataSet": [{"c01": [{"e0120": A}]}, {"c01": [{"e0120": B}]}, {"c01": [{"e0240": "X"}]}]})
    assert (message.bsns, message.unidentified) == ((A, B), 1)


def test_a_spontaneous_mutation_names_its_person_by_a_nummer_only():
    content = {"aNummer": "5753249785", "plData": {"c08": [{"e1110": "Dam", "historie": [{"e1110": "Spui"}]}]}}
    (message,) = fetched(content, bericht_type="Gv01")
    assert message == Message(ONE, "Gv01", (), 1, ("5753249785",), ("081110", "581110"))


def test_a_number_that_only_history_knows_is_the_persons():
    (message,) = fetched({"plData": {"c01": [{"e0120": "", "historie": [{"e0120": A}]}]}})
    assert message.bsns == (A,)
    (changed,) = fetched({"plData": {"c01": [{"e0120": B, "historie": [{"e0120": A}]}]}})
    assert changed.bsns == (B,)


def test_a_message_without_persons_discloses_nobody():
    (message,) = fetched({"berichtType": "Vb01", "vrijeTekst": "Dag"}, bericht_type="Vb01")
    assert message == Message(ONE, "Vb01")


def test_answers_name_the_messages_that_succeeded_and_those_that_did_not():
    fault = {"berichtTransportId": TWO, "foutmeldingen": []}
    assert messages.not_fetched_ids({"nietOpgehaaldeBerichten": [fault]}) == (TWO,)
    assert messages.listed_ids({"berichten": [{"berichtTransportId": ONE}]}) == (ONE,)
    assert messages.accepted_ids({"verwerkteBerichten": [{"berichtId": "1", "berichtTransportId": ONE}]}) == (ONE,)
    answer = {"succesvolVerwijderdeBerichten": [ONE], "nietSuccesvolVerwijderdeBerichten": [fault]}
    assert (messages.deleted_ids(answer), messages.not_deleted_ids(answer)) == ((ONE,), (TWO,))


def test_every_published_sample_with_a_persoonslijst_is_about_somebody():
    folder = CASES.parent / "mock-data" / "berichten"
    if not folder.is_dir():
        pytest.skip("no sample messages of RvIG beside the project")
    about_nobody = set()
    for path in sorted(folder.glob("*.json")):
        content = orjson.loads(path.read_bytes())
        (message,) = fetched(content)
        expected = [pl["c01"][0]["e0120"] for pl in _persoonslijsten(content) if "e0120" in pl.get("c01", [{}])[0]]
        assert set(expected) <= set(message.bsns), path.name
        if not message.bsns and not message.unidentified:
            about_nobody.add(bool(_persoonslijsten(content)))
    assert about_nobody == {False}


def _persoonslijsten(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [pl for pl in [content.get("plData"), *content.get("plDataSet", [])] if pl]


def test_a_message_does_not_show_whom_it_is_about():
    shown = repr(fetched({"aNummer": "5753249785", "plDataSet": [{"c01": [{"e0120": A}]}, {"c08": []}]}))
    assert A not in shown
    assert "5753249785" not in shown


@given(any_json)
def test_any_json_is_read_as_messages(value):
    for read in (messages.fetched_messages, messages.sent_messages):
        for message in read(value):
            assert all(is_bsn(bsn) for bsn in message.bsns)
            assert all(len(rubriek) == 6 for rubriek in message.rubrieken)
    for ids in (messages.listed_ids, messages.deleted_ids, messages.not_fetched_ids, messages.not_deleted_ids):
        assert all(isinstance(one, str) for one in ids(value))
    berichten.check_send(value)
    berichten.oversized(value)


@given(st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]), st.text(max_size=30))
def test_any_path_is_a_route_or_a_refusal(method, rest):
    route = read_route(method, f"/berichten/{rest}")
    assert isinstance(route, Route) or route.status in {400, 404, 405}
