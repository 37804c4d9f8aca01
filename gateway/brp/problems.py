"""RvIG's problem documents for the JSON APIs, as values: one table of what it says for which fault.

`problem_document` gives the members in RvIG's order and leaves out those without a value. The texts are RvIG's
own and are the contract with whoever calls: a taaksysteem built for RvIG reads them here too. Source: RvIG's
error answers for Personen, Bewoning, Verblijfplaatshistorie and Reisdocumenten; RFC 7807.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

_RFC7231: Final = "https://datatracker.ietf.org/doc/html/rfc7231#section-"
_RFC7235: Final = "https://datatracker.ietf.org/doc/html/rfc7235#section-"
_JSON_ONLY: Final = "Ondersteunde content type: application/json; charset=utf-8."
_API: Final = "U bent niet geautoriseerd voor het gebruik van deze API."
_QUESTION: Final = "U bent niet geautoriseerd voor deze vraag."


@dataclass(frozen=True, slots=True)
class InvalidParam:
    """One fault of a question: which parameter, which kind of fault, and RvIG's words for it."""

    name: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProblemShape:
    """One of RvIG's problem documents, less the `instance` that only the call knows."""

    status: int
    title: str
    type: str
    code: str | None = None
    detail: str | None = None
    invalid_params: tuple[InvalidParam, ...] = ()


BAD_REQUEST_TYPE: Final = f"{_RFC7231}6.5.1"
FORBIDDEN_TYPE: Final = f"{_RFC7231}6.5.3"

NO_JSON: Final = ProblemShape(
    400, "De bevraging bevat een fout.", BAD_REQUEST_TYPE, detail="Request body is geen geldige JSON."
)
NOT_AUTHENTICATED: Final = ProblemShape(401, "Niet correct geauthenticeerd.", f"{_RFC7235}3.1", "authentication")
NOT_FOUND: Final = ProblemShape(404, "Opgevraagde resource bestaat niet.", f"{_RFC7231}6.5.4")
METHOD_NOT_ALLOWED: Final = ProblemShape(
    405, "Gebruikte bevragingsmethode is niet toegestaan.", f"{_RFC7231}6.5.5", "methodNotAllowed"
)
NOT_ACCEPTABLE: Final = ProblemShape(
    406, "Gevraagde content type wordt niet ondersteund.", f"{_RFC7231}6.5.6", "notAcceptable", _JSON_ONLY
)
UNSUPPORTED_MEDIA_TYPE: Final = ProblemShape(
    415, "Media Type wordt niet ondersteund.", f"{_RFC7231}6.5.13", "unsupportedMediaType", _JSON_ONLY
)
INTERNAL_ERROR: Final = ProblemShape(500, "Internal Server error.", f"{_RFC7231}6.6.1")
SOURCE_UNAVAILABLE: Final = ProblemShape(502, "Bronservice is tijdelijk niet beschikbaar.", f"{_RFC7231}6.6.4")

NO_AD_HOC: Final = ProblemShape(
    403, _API, FORBIDDEN_TYPE, "unauthorized", "Niet geautoriseerd voor ad hoc bevragingen."
)
NO_VERBLIJFPLAATSHISTORIE: Final = ProblemShape(
    403, _API, FORBIDDEN_TYPE, "unauthorized", "Niet geautoriseerd voor verblijfplaatshistorie."
)
NO_BEWONINGEN: Final = ProblemShape(
    403, _QUESTION, FORBIDDEN_TYPE, "unauthorized", "Alleen gemeenten mogen bewoningen raadplegen."
)
NOT_OWN_BEWONING: Final = ProblemShape(
    403,
    _QUESTION,
    FORBIDDEN_TYPE,
    "unauthorized",
    "Je mag alleen bewoning van adresseerbare objecten binnen de eigen gemeente raadplegen.",
)
NO_REISDOCUMENTEN: Final = ProblemShape(
    403, _QUESTION, FORBIDDEN_TYPE, "unauthorized", "Alleen gemeenten mogen reisdocumenten raadplegen."
)
_UNAUTHORIZED_PARAMETER: Final = ProblemShape(
    403, "U bent niet geautoriseerd voor de gebruikte parameter(s).", FORBIDDEN_TYPE, "unauthorizedParameter"
)
_UNAUTHORIZED_FIELD: Final = ProblemShape(
    403,
    "U bent niet geautoriseerd voor één of meerdere opgegeven field waarden.",
    FORBIDDEN_TYPE,
    "unauthorizedField",
)
_INVALID_PARAMS: Final = ProblemShape(
    400, "Een of meerdere parameters zijn niet correct.", BAD_REQUEST_TYPE, "paramsValidation"
)
_TOO_MANY_RESULTS: Final = ProblemShape(400, "Teveel zoekresultaten.", BAD_REQUEST_TYPE, "tooManyResults")


def unauthorized_parameters(names: Iterable[str]) -> ProblemShape:
    """Refuses the search parameters named; RvIG names them once each and in ascending order."""
    listed = ", ".join(sorted(set(names)))
    return replace(
        _UNAUTHORIZED_PARAMETER, detail=f"U bent niet geautoriseerd voor het gebruik van parameter(s): {listed}."
    )


def unauthorized_fields(names: Iterable[str]) -> ProblemShape:
    """Refuses the fields named; RvIG ends this sentence without a full stop."""
    listed = ", ".join(sorted(set(names)))
    return replace(
        _UNAUTHORIZED_FIELD,
        detail=f"U bent niet geautoriseerd om de volgende gegevens op te vragen met fields: {listed}",
    )


def invalid_params(params: tuple[InvalidParam, ...]) -> ProblemShape:
    """Refuses a question for its faults, all at once, in the order in which they were found."""
    names = ", ".join(param.name for param in params)
    return replace(_INVALID_PARAMS, detail=f"De foutieve parameter(s) zijn: {names}.", invalid_params=params)


def too_many_results(most: int) -> ProblemShape:
    """Refuses an answer of more persons than may be found: 30 for searches by address, 10 for those by name."""
    return replace(
        _TOO_MANY_RESULTS,
        detail=f"Meer dan maximum van {most} zoekresultaten gevonden. Verfijn de zoekopdracht.",
    )


def problem_document(shape: ProblemShape, instance: str) -> dict[str, Any]:
    """The document for one call; `instance` is the path of the request."""
    document: dict[str, Any] = {"type": shape.type, "title": shape.title, "status": shape.status}
    if shape.detail is not None:
        document["detail"] = shape.detail
    document["instance"] = instance
    if shape.code is not None:
        document["code"] = shape.code
    if shape.invalid_params:
        document["invalidParams"] = [
            {"name": param.name, "code": param.code, "reason": param.reason} for param in shape.invalid_params
        ]
    return document
