"""RvIG's problem documents and the checks that come before a question is read.

States the texts of RvIG's authorisation and protocol proxy (order of the checks: 401, 405, 406, 415, 404, 400).
Refuses `Accept` values that are a list: RvIG compares the whole value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.brp.problems import ProblemShape, problem_document
from gateway.simulator.calls import PLAIN_JSON, PROBLEM, Reply

_RFC7231: Final = "https://datatracker.ietf.org/doc/html/rfc7231#section-"
_RFC7235: Final = "https://datatracker.ietf.org/doc/html/rfc7235#section-"
_SUPPORTED: Final = "Ondersteunde content type: application/json; charset=utf-8."

APIGW_DETAIL: Final = "APIGW: client-access_token is not valid"


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    title: str
    type: str
    code: str | None = None
    detail: str | None = None


AUTHENTICATION: Final = Problem(401, "Niet correct geauthenticeerd.", _RFC7235 + "3.1", "authentication")
METHOD: Final = Problem(405, "Gebruikte bevragingsmethode is niet toegestaan.", _RFC7231 + "6.5.5", "methodNotAllowed")
ACCEPT: Final = Problem(
    406, "Gevraagde content type wordt niet ondersteund.", _RFC7231 + "6.5.6", "notAcceptable", _SUPPORTED
)
MEDIA_TYPE: Final = Problem(
    415, "Media Type wordt niet ondersteund.", _RFC7231 + "6.5.13", "unsupportedMediaType", _SUPPORTED
)
NOT_FOUND: Final = Problem(404, "Opgevraagde resource bestaat niet.", _RFC7231 + "6.5.4")
NOT_JSON: Final = Problem(
    400, "De bevraging bevat een fout.", _RFC7231 + "6.5.1", None, "Request body is geen geldige JSON."
)
PARAMETERS: Final = Problem(
    400, "Een of meerdere parameters zijn niet correct.", _RFC7231 + "6.5.1", "paramsValidation"
)
INTERNAL: Final = Problem(500, "Internal Server error.", _RFC7231 + "6.6.1")
SOURCE: Final = Problem(502, "Bronservice is tijdelijk niet beschikbaar.", _RFC7231 + "6.6.4")


def too_many(limit: int) -> Problem:
    """More than `limit` persons found: 30 for the searches by address, 10 for those by name."""
    detail = f"Meer dan maximum van {limit} zoekresultaten gevonden. Verfijn de zoekopdracht."
    return Problem(400, "Teveel zoekresultaten.", _RFC7231 + "6.5.1", "tooManyResults", detail)


@dataclass(frozen=True, slots=True)
class InvalidParam:
    name: str
    code: str
    reason: str


def problem_reply(problem: Problem, instance: str, *, detail: str | None = None) -> Reply:
    return Reply(problem.status, orjson.dumps(_document(problem, instance, detail)), PROBLEM)


def invalid_parameters(invalid: list[InvalidParam], instance: str) -> Reply:
    names = ", ".join(one.name for one in invalid)
    document = _document(PARAMETERS, instance, f"De foutieve parameter(s) zijn: {names}.")
    document["invalidParams"] = [{"name": one.name, "code": one.code, "reason": one.reason} for one in invalid]
    return Reply(400, orjson.dumps(document), PROBLEM)


def shape_reply(shape: ProblemShape, instance: str) -> Reply:
    return Reply(shape.status, orjson.dumps(problem_document(shape, instance)), PROBLEM)


def token_not_valid(status: int) -> Reply:
    """RvIG's gateway speaking, before any API: the token is unknown to it or has expired."""
    return Reply(status, orjson.dumps({"status": status, "detail": APIGW_DETAIL}), PLAIN_JSON)


def _document(problem: Problem, instance: str, detail: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {"type": problem.type, "title": problem.title, "status": problem.status}
    if found := detail or problem.detail:
        document["detail"] = found
    document["instance"] = instance
    if problem.code:
        document["code"] = problem.code
    return document


_JSON_VALUES: Final = frozenset({"", "application/json", "application/json;charset=utf-8"})
_ACCEPT_VALUES: Final = _JSON_VALUES | {"*/*", "*/*;charset=utf-8"}


def refuse_request(method: str, headers: Mapping[str, str], *, known: bool) -> Problem | None:
    """Give the first of 405, 406, 415 and 404 that applies. Letter case and white space do not matter."""
    if method != "POST":
        return METHOD
    accept = headers.get("accept", "")
    if accept != "application/json" and "".join(accept.split()).lower() not in _ACCEPT_VALUES:
        return ACCEPT
    content_type = headers.get("content-type", "")
    if content_type != "application/json" and "".join(content_type.split()).lower() not in _JSON_VALUES:
        return MEDIA_TYPE
    return None if known else NOT_FOUND
