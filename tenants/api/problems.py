"""Problem documents (RFC 9457) of the admin API, and the Dutch words for what is wrong with a document.

All faults of a document are told at once, each with its place (RFC 6901 pointer). What was given is never repeated: it
may be a BSN or a secret.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from tenants.api.shapes import Fout, Plaats, Probleem

Where = Literal["body", "query", "path", "header"]

_TITLES = {
    400: "Het verzoek klopt niet.",
    401: "Niet ingelogd.",
    403: "Geen toegang.",
    404: "Niet gevonden.",
    405: "Deze methode kan hier niet.",
    408: "Het verzoek kwam niet op tijd binnen.",
    409: "Het verzoek botst met wat er al staat.",
    412: "Dit is intussen veranderd.",
    413: "Het verzoek is te groot.",
    415: "Dit soort inhoud wordt niet gelezen.",
    422: "Dit verzoek is een ander dan eerst.",
    428: "Noem de versie die je gezien hebt.",
    429: "Er loopt al te veel tegelijk.",
    431: "Het verzoek heeft te veel kopregels.",
    500: "Er ging iets mis.",
    503: "De dienst is er even niet.",
}
# By pydantic's own types of error; what stands between braces comes from its context (bounds, never what was given).
_WORDS = {
    "missing": "Dit gegeven is verplicht.",
    "extra_forbidden": "Dit gegeven is onbekend.",
    "json_invalid": "Dit is geen geldige JSON.",
    "model_type": "Hier hoort een object.",
    "model_attributes_type": "Hier hoort een object.",
    "dict_type": "Hier hoort een object.",
    "string_type": "Hier hoort tekst.",
    "string_too_short": "De tekst is te kort: minstens {min_length} tekens.",
    "string_too_long": "De tekst is te lang: hoogstens {max_length} tekens.",
    "string_pattern_mismatch": "De tekst heeft niet de juiste vorm.",
    "string_unicode": "De tekst is geen geldige Unicode.",
    "bool_type": "Hier hoort true of false.",
    "int_type": "Hier hoort een geheel getal.",
    "int_parsing": "Hier hoort een geheel getal.",
    "int_parsing_size": "Dit getal is te groot.",
    "greater_than_equal": "De waarde is te klein: minstens {ge}.",
    "less_than_equal": "De waarde is te groot: hoogstens {le}.",
    "literal_error": "Dit kan hier niet. Mogelijk is: {expected}.",
    "datetime_type": "Hier hoort een datum met tijd (RFC 3339).",
    "datetime_parsing": "Hier hoort een datum met tijd (RFC 3339).",
    "datetime_from_date_parsing": "Hier hoort een datum met tijd (RFC 3339).",
    "date_type": "Hier hoort een datum (jjjj-mm-dd).",
    "date_parsing": "Hier hoort een datum (jjjj-mm-dd).",
    "date_from_datetime_parsing": "Hier hoort een datum (jjjj-mm-dd).",
    "date_from_datetime_inexact": "Hier hoort een datum (jjjj-mm-dd).",
    "time_type": "Hier hoort een tijd (uu:mm).",
    "time_parsing": "Hier hoort een tijd (uu:mm).",
    "list_type": "Hier hoort een lijst.",
    "too_short": "De lijst is te kort: minstens {min_length}.",
    "too_long": "De lijst is te lang: hoogstens {max_length}.",
    "float_type": "Hier hoort een getal.",
    "timezone_aware": "De tijd moet een tijdzone hebben, bijvoorbeeld Z of +01:00.",
    "uuid_type": "Hier hoort een UUID.",
    "uuid_parsing": "Hier hoort een UUID.",
}


class Refused(Exception):
    """A refusal of the admin API, with all that its problem document says. Texts hold no personal data."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Iterable[Fout] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def problem_of(refusal: Refused, transaction: str) -> Probleem:
    """The document of a refusal. `instance` is the number that the log line has too."""
    return Probleem(
        type=f"urn:koppelpunt:probleem:{refusal.code}",
        title=_TITLES.get(refusal.status, "Het verzoek is geweigerd."),
        status=refusal.status,
        detail=refusal.detail,
        instance=f"urn:uuid:{transaction}",
        code=refusal.code,
        errors=list(refusal.faults) or None,
    )


def faults_of(error: ValidationError, where: Where) -> list[Fout]:
    """All that is wrong with a document."""
    # The input and the library's own texts stay behind: both may repeat what was given.
    return [_fault(one, where) for one in error.errors(include_url=False, include_input=False)]


def fault(where: Where, place: str, code: str, detail: str) -> Fout:
    """One fault that no shape knows of. `place` is a pointer in the body, or else a name."""
    located = Plaats(pointer=place) if where == "body" else Plaats(name=place)
    return Fout.model_validate({"in": where, "location": located, "code": code, "detail": detail})


def _fault(found: Any, where: Where) -> Fout:
    place = [str(part) for part in found["loc"]]
    # A text of our own validators is a sentence of this API; every other text is replaced by ours.
    words = str(found["ctx"]["error"]) if found["type"] == "value_error" else _words(found)
    if where == "body":
        return fault(
            where, "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place), found["type"], words
        )
    return fault(where, ".".join(place), found["type"], words)


def _words(found: Any) -> str:
    template = _WORDS.get(found["type"], "Dit gegeven heeft niet de juiste vorm.")
    return template.format_map(found.get("ctx", {}))
