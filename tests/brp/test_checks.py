"""RvIG's checks of a call before its question is read, and its problem documents."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.brp import checks, problems
from gateway.brp.problems import InvalidParam, problem_document
from tests.brp.cases import read_cases
from tests.brp.strategies import any_json

PERSONEN = "/haalcentraal/api/brp/personen"


def test_every_call_of_rvigs_http_cases_gets_its_problem_document():
    failing = []
    for case in read_cases("http.jsonl"):
        headers = case["headers"]
        shape = checks.check_call(case["method"], headers.get("Accept"), headers.get("Content-Type"), case["path"])
        if shape is None and "downstream" in case and case["downstream"]["status"] >= 500:
            continue
        expected = case["expect"].get("problem")
        document = None if shape is None else problem_document(shape, case["path"])
        if document != expected or list(document or ()) != list(expected or ()):
            failing.append((case["id"], document))
    assert failing == []


def test_the_first_check_that_fails_makes_the_answer():
    wrong = ("GET", "text/plain", "text/plain", "/nergens")
    right = ("POST", "application/json", "application/json", PERSONEN)
    order = []
    for repaired in range(5):
        shape = checks.check_call(*right[:repaired], *wrong[repaired:])
        order.append(shape.status if shape else None)
    assert order == [405, 406, 415, 404, None]


def test_letter_case_and_white_space_in_media_types_do_not_matter():
    for value in (None, "", "  ", "*/*", "Application/JSON", "application/json ; Charset=UTF-8", "*/*;charset=utf-8"):
        assert checks.check_accept(value) is None
    assert checks.check_content_type("Application/JSON ;charset=Utf-8") is None
    assert checks.check_content_type("*/*") == problems.UNSUPPORTED_MEDIA_TYPE


def test_a_list_of_media_types_is_refused_as_rvig_does_and_can_be_taken_as_http_means_it():
    libraries_default = "application/json, text/plain, */*"
    assert checks.check_accept(libraries_default) == problems.NOT_ACCEPTABLE
    assert checks.check_accept_list(libraries_default) is None
    assert checks.check_accept_list("text/html, application/json;charset=utf-8;q=0.8") is None
    for value in (
        "application/xml",
        "text/html, application/xml",
        "application/json;q=0",
        ",",
        "application/json;q=0.0",
    ):
        assert checks.check_accept_list(value) == problems.NOT_ACCEPTABLE


def test_a_body_must_be_an_object():
    assert checks.check_body({}) is None
    others: tuple[object, ...] = (None, [], "{}", 1, False)
    for body in others:
        assert checks.check_body(body) == problems.NO_JSON


def test_only_the_last_part_of_a_path_names_the_api():
    for path in (PERSONEN, "/x/bewoningen", "/lap/api/brp/verblijfplaatshistorie", "reisdocumenten"):
        assert checks.check_resource(path) is None
    for path in ("/api/brp/ingezetenen", "/personen/", "/personen/1", "", "/Personen"):
        assert checks.check_resource(path) == problems.NOT_FOUND


def test_a_problem_document_has_rvigs_members_in_rvigs_order():
    faults = (InvalidParam("huisnummer", "integer", "Waarde is geen geldig getal."),)
    document = problem_document(problems.invalid_params(faults), PERSONEN)
    assert list(document) == ["type", "title", "status", "detail", "instance", "code", "invalidParams"]
    assert document["detail"] == "De foutieve parameter(s) zijn: huisnummer."
    assert document["invalidParams"] == [
        {"name": "huisnummer", "code": "integer", "reason": "Waarde is geen geldig getal."}
    ]


def test_members_without_a_value_are_left_out():
    assert problem_document(problems.NOT_FOUND, "/x") == {
        "type": "https://datatracker.ietf.org/doc/html/rfc7231#section-6.5.4",
        "title": "Opgevraagde resource bestaat niet.",
        "status": 404,
        "instance": "/x",
    }
    assert problem_document(problems.NOT_AUTHENTICATED, "/x") == {
        "type": "https://datatracker.ietf.org/doc/html/rfc7235#section-3.1",
        "title": "Niet correct geauthenticeerd.",
        "status": 401,
        "instance": "/x",
        "code": "authentication",
    }


def test_names_in_a_refusal_are_distinct_and_ascending():
    parameters = problems.unauthorized_parameters(["postcode", "huisnummer", "postcode"])
    fields = problems.unauthorized_fields(["naam", "geslacht"])
    assert parameters.detail == "U bent niet geautoriseerd voor het gebruik van parameter(s): huisnummer, postcode."
    assert fields.detail == "U bent niet geautoriseerd om de volgende gegevens op te vragen met fields: geslacht, naam"


def test_too_many_results_says_how_many_are_too_many():
    assert problems.too_many_results(30).detail == (
        "Meer dan maximum van 30 zoekresultaten gevonden. Verfijn de zoekopdracht."
    )


@given(st.text(max_size=20), st.none() | st.text(max_size=30), st.none() | st.text(max_size=30), st.text(max_size=30))
def test_any_call_is_judged(method, accept, content_type, path):
    shape = checks.check_call(method, accept, content_type, path)
    assert (shape is None) <= (method == "POST")
    checks.check_accept_list(accept)


@given(any_json)
def test_any_body_is_judged(body):
    assert (checks.check_body(body) is None) == isinstance(body, dict)
