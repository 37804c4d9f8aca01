"""A caller's JSON body as a value: what is asked, about whom, with which parameters and fields.

Reads any decoded JSON and never raises: what has another shape than RvIG's APIs ask for is simply not there.
It judges nothing; that is `validation`. Source: FACTS of the BRP APIs Personen 2.7, Bewoning 2.1,
Verblijfplaatshistorie 2.0 and Reisdocumenten 2.0.
"""

from dataclasses import dataclass, field
from typing import Final, TypeGuard

NO_SEARCH_PARAMETERS: Final = frozenset({"type", "fields", "inclusiefOverledenPersonen"})
"""Members of a body that say how to answer, not whom to find: they are no zoekrubrieken."""

_NO_BSN: Final = "000000000"


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one of RvIG's APIs.

    `parameters` are the names in the body in its order, less `type`, `fields` and `inclusiefOverledenPersonen`.
    `bsns` are the distinct well-formed ones of `burgerservicenummer`, in the order of asking; `bsns_repeated`
    says that one of them was asked more than once.
    """

    api: str
    type: str | None
    parameters: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    bsns: tuple[str, ...] = field(default=(), repr=False)
    bsns_repeated: bool = False


def is_bsn(value: object) -> TypeGuard[str]:
    """Whether the value is a text of nine ASCII digits, not all zero. RvIG tests no check digit, nor do we."""
    return isinstance(value, str) and len(value) == 9 and value.isascii() and value.isdigit() and value != _NO_BSN


def distinct_bsns(values: object) -> tuple[str, ...]:
    """The distinct BSNs of one text or of a list of texts, in order; everything else is passed over."""
    items = values if isinstance(values, list) else [values]
    return tuple(dict.fromkeys(item for item in items if is_bsn(item)))


def read_question(api: str, body: object) -> Question:
    """The question that a decoded body asks of an API; a body that is no JSON object asks nothing."""
    if not isinstance(body, dict):
        return Question(api, None)
    kind = body.get("type")
    fields = body.get("fields")
    asked = body.get("burgerservicenummer")
    bsns = distinct_bsns(asked)
    return Question(
        api=api,
        type=kind if isinstance(kind, str) else None,
        parameters=tuple(name for name in body if isinstance(name, str) and name not in NO_SEARCH_PARAMETERS),
        fields=tuple(name for name in fields if isinstance(name, str)) if isinstance(fields, list) else (),
        bsns=bsns,
        bsns_repeated=isinstance(asked, list) and len(asked) > len(bsns) and _repeats(asked),
    )


def _repeats(asked: list[object]) -> bool:
    valid = [value for value in asked if is_bsn(value)]
    return len(valid) != len(set(valid))
