"""The table from errors to problem documents: whole, Dutch, and silent about what may not be said."""

from uuid import UUID

import orjson
import pytest

from gateway import errors
from gateway.brp import problems as rvig
from gateway.call import Outgoing
from gateway.errors import AsRvig, KoppelpuntError, Malformed, NotAuthenticated, RegisterUnavailable
from gateway.problems import STATUS_OF_CODE, TABLE, render
from tests.values import CATALOGUE

ID = UUID("01942f5e-7f3c-7a5b-9c11-2f6f5a1f0c77")
PATH = "/api/brp/personen"


def all_classes(kind: type[KoppelpuntError] = KoppelpuntError) -> set[type[KoppelpuntError]]:
    return {kind}.union(*(all_classes(one) for one in kind.__subclasses__()))


def of_gateway() -> set[type[KoppelpuntError]]:
    return {kind for kind in all_classes() if kind.__module__.startswith("gateway")}


def show(error: KoppelpuntError) -> Outgoing:
    return render(error, instance=PATH, transaction_id=ID)


def test_every_class_of_errors_has_its_entry_and_no_entry_lacks_its_class():
    assert of_gateway() == set(TABLE)


@pytest.mark.parametrize("kind", list(TABLE))
def test_every_refusal_has_all_members(kind):
    error = AsRvig(rvig.NOT_FOUND) if kind is AsRvig else kind("eenCode", "Een uitleg.")
    answer = show(error)
    document = orjson.loads(answer.body)
    assert (b"content-type", b"application/problem+json") in answer.headers
    assert document["status"] == answer.status
    assert document["instance"] == PATH
    if kind is not AsRvig:
        assert list(document) == [
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "code",
            "plaats",
            "transactieId",
        ]
        assert document["plaats"] in {"gateway", "token", "upstream", "register"}


def test_statuses_tell_who_must_act():
    assert {TABLE[kind].status // 100 for kind in of_gateway() if issubclass(kind, errors.CallerError)} == {4}
    assert {TABLE[kind].status // 100 for kind in of_gateway() if issubclass(kind, errors.OperatorError)} == {5}


def test_types_and_titles_are_distinct():
    assert len({entry.type for entry in TABLE.values()}) == len(TABLE)
    assert len({entry.title for entry in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize(("code", "status"), STATUS_OF_CODE.items())
def test_a_more_exact_status_wins(code, status):
    assert show(Malformed(code, "x")).status == status


def test_what_rvig_may_have_processed_never_invites_to_repeat():
    headers = dict(show(RegisterUnavailable("uitkomstOnbekend", "x", sent=True, retry_after=5)).headers)
    assert b"retry-after" not in headers
    assert dict(show(RegisterUnavailable("vol", "x", retry_after=5)).headers)[b"retry-after"] == b"5"


def test_rvigs_documents_have_rvigs_members_only():
    answer = show(AsRvig(rvig.unauthorized_fields(["naam"])))
    assert orjson.loads(answer.body) == rvig.problem_document(rvig.unauthorized_fields(["naam"]), PATH)


def test_a_contradiction_between_credentials_is_the_gateways_own_401():
    answer = show(NotAuthenticated("legitimatiesTegenstrijdig", "x"))
    assert answer.status == 401
    assert orjson.loads(answer.body)["code"] == "legitimatiesTegenstrijdig"
    assert b"www-authenticate" in dict(answer.headers)


def test_a_405_names_the_methods():
    found = CATALOGUE.find("/api/brp/berichten/v1")
    assert found is not None
    assert dict(show(AsRvig(rvig.METHOD_NOT_ALLOWED)).headers)[b"allow"] == b"POST"
    answer = render(AsRvig(rvig.METHOD_NOT_ALLOWED), instance=PATH, transaction_id=ID, api=found[1])
    assert dict(answer.headers)[b"allow"] == b"GET, HEAD, POST, DELETE"


def test_a_class_without_an_entry_is_answered_as_the_one_above_it():
    class Unmapped(errors.TooMany):
        pass

    assert show(Unmapped("x", "y")).status == 429
