"""What a machtiging allows of one question. Pure; it judges what was chosen, and chooses nothing.

Asked in this order; the first rule that fails makes the refusal. Where RvIG refuses the same kind of thing the answer is
RvIG's own document, because a taaksysteem that was built for RvIG reads that; the rest has codes of our own.

| rule | answer |
|---|---|
| a user must be named (`conditions.user`) | 403 gebruikerVerplicht |
| the user has one of the roles (`conditions.roles`) | 403 rolOntbreekt |
| the time is within the hours, in the Netherlands (`conditions.hours`) | 403 buitenTijden |
| the operation is allowed (`operations`) | 403 unauthorized |
| the question type is allowed (`types`) | 403 unauthorized |
| a parameter that is demanded is there (`restrict`) | 403 parameterVerplicht |
| its value is an allowed one (`restrict`) | 403 unauthorizedParameter |
| deceased persons may be asked for (`inclusiefOverledenPersonen`) | 403 unauthorizedParameter |
| every field is covered (`fields`) | 403 unauthorizedField |
| the besluit allows the question (`fields: autorisatiebesluit`) | RvIG's own 403 |
| persons with geheimhouding can be left out of the answer, if they must be | 403 geheimhoudingNietTeFilteren |

`gateway.quota` refuses beside these, with 429: teVeelPerSeconde, dagquotumBereikt.

No setting of an environment switches any of it off, so nothing here leans on RvIG's validation having been done: what
cannot be read (a `type` that is no text, `fields` that are no list of texts) is not allowed where it would be limited.
"""

from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from gateway.besluiten import rights_of
from gateway.brp import problems
from gateway.brp.apis import PERSONEN, TYPES
from gateway.brp.authorisation import authorise, dutch_date
from gateway.brp.problems import ProblemShape
from gateway.brp.question import scalar_text
from gateway.brp.rubrieken import written_field
from gateway.call import Bevraging, Caller
from gateway.errors import AsRvig, NotPermitted
from gateway.snapshot import Snapshot
from tenants.model import Aansluiting, ApiRight, Conditions, Hours, Machtiging
from tenants.rights import FILTERED, WITHOUT_FIELDS

NOT_THIS_QUESTION: Final = ProblemShape(
    403,
    "U bent niet geautoriseerd voor deze vraag.",
    problems.FORBIDDEN_TYPE,
    "unauthorized",
    "De machtiging van dit taaksysteem staat deze bevraging niet toe.",
)

_AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
_DECEASED: Final = "inclusiefOverledenPersonen"


def check(
    machtiging: Machtiging,
    caller: Caller,
    bevraging: Bevraging,
    aansluiting: Aansluiting,
    snapshot: Snapshot,
    now: datetime,
) -> None:
    """Raise AsRvig or NotPermitted for a question that the machtiging, which must cover its API, does not allow."""
    right = machtiging.rights[bevraging.api.right]
    if machtiging.conditions is not None:
        _check_conditions(machtiging.conditions, caller, now)
    if right.operations is not None and bevraging.operation not in right.operations:
        raise AsRvig(NOT_THIS_QUESTION)
    if right.types is not None and bevraging.question.type not in right.types:
        raise AsRvig(NOT_THIS_QUESTION)
    if right.restrict:
        _check_restricted(right, bevraging)
    if not right.deceased and not _leaves_out_deceased(bevraging):
        raise AsRvig(problems.unauthorized_parameters((_DECEASED,)))
    if right.fields is not None:
        _check_fields(right.fields, bevraging)
    if right.by_besluit:
        _check_besluit(bevraging, aansluiting, snapshot, now)
    if machtiging.leave_out_geheimhouding and bevraging.api.kind not in FILTERED:
        raise NotPermitted(
            "geheimhoudingNietTeFilteren",
            "Deze machtiging geeft geen personen met geheimhouding door; bij deze API is dat niet te waarborgen.",
        )


def is_covered(name: str, allowed: frozenset[str]) -> bool:
    """A field is allowed by itself or by a group above it: `naam` allows `naam.voornamen`, never the other way."""
    if name in allowed:
        return True
    while "." in name:
        name = name.rpartition(".")[0]
        if name in allowed:
            return True
    return False


def _check_conditions(conditions: Conditions, caller: Caller, now: datetime) -> None:
    if conditions.user and not caller.user:
        raise NotPermitted("gebruikerVerplicht", "De machtiging vraagt dat de aanroep zegt welke gebruiker vraagt.")
    if conditions.roles and conditions.roles.isdisjoint(caller.roles):
        raise NotPermitted("rolOntbreekt", "De gebruiker heeft geen rol waarmee deze machtiging gebruikt mag worden.")
    if conditions.hours:
        there = now.astimezone(_AMSTERDAM)
        day, moment = there.weekday(), there.time()
        if not any(_is_open(hours, day, moment) for hours in conditions.hours):
            raise NotPermitted("buitenTijden", "De machtiging geldt niet op deze dag of op dit tijdstip.")


def _is_open(hours: Hours, day: int, moment: time) -> bool:
    return day in hours.days and hours.start <= moment and (hours.until is None or moment < hours.until)


def _check_restricted(right: ApiRight, bevraging: Bevraging) -> None:
    """Every question must carry each of these parameters, whatever its type, with allowed values and no others."""
    body = bevraging.content if isinstance(bevraging.content, dict) else {}
    missing = [name for name, _ in right.restrict if body.get(name) in (None, [])]
    if missing:
        raise NotPermitted(
            "parameterVerplicht", f"De machtiging vraagt een toegestane waarde voor: {', '.join(sorted(missing))}."
        )
    refused = [name for name, allowed in right.restrict if not _is_among(body[name], allowed)]
    if refused:
        raise AsRvig(problems.unauthorized_parameters(refused))


def _is_among(value: object, allowed: frozenset[str]) -> bool:
    return all(scalar_text(one) in allowed for one in (value if isinstance(value, list) else (value,)))


def _leaves_out_deceased(bevraging: Bevraging) -> bool:
    """RvIG takes texts for booleans too; what is neither true nor false is not surely false."""
    value = bevraging.content.get(_DECEASED) if isinstance(bevraging.content, dict) else None
    return value is None or value is False or (isinstance(value, str) and value.lower() == "false")


def _check_fields(allowed: frozenset[str], bevraging: Bevraging) -> None:
    question = bevraging.question
    asked = bevraging.content.get("fields", ()) if isinstance(bevraging.content, dict) else question.fields
    is_readable = isinstance(asked, list | tuple) and len(asked) == len(question.fields)
    if bevraging.api.kind not in TYPES or bevraging.api.kind in WITHOUT_FIELDS or not is_readable:
        raise AsRvig(NOT_THIS_QUESTION)
    refused = [name for name in question.fields if name not in allowed and not is_covered(name, allowed)]
    if refused:
        # As RvIG names them: what is asked below a date or coded value of a person is that value.
        written = map(written_field, refused) if question.api == PERSONEN else refused
        raise AsRvig(problems.unauthorized_fields(written))


def _check_besluit(bevraging: Bevraging, aansluiting: Aansluiting, snapshot: Snapshot, now: datetime) -> None:
    """The besluit as a limit of the machtiging: it holds also where the environment only observes it."""
    if bevraging.api.kind not in TYPES:
        raise AsRvig(NOT_THIS_QUESTION)
    shape = authorise(bevraging.question, rights_of(aansluiting, snapshot), dutch_date(now))
    if shape is not None:
        raise AsRvig(shape)
