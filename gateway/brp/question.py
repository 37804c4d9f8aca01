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
_LARGEST: Final = 10**18
"""Of a larger number only the sign and that it is large matters."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one of RvIG's APIs.

    `parameters` are the names in the body in its order, less `type`, `fields` and `inclusiefOverledenPersonen`.
    `bsns` are the distinct well-formed ones of `burgerservicenummer`, in the order of asking; `bsns_repeated`
    says that one of them was asked more than once. `adresseerbaar_object` is the address asked about, by its
    identificatie.
    """

    api: str
    type: str | None
    parameters: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    bsns: tuple[str, ...] = field(default=(), repr=False)
    bsns_repeated: bool = False
    adresseerbaar_object: str | None = field(default=None, repr=False)


def is_bsn(value: object) -> TypeGuard[str]:
    """Whether the value is a text of nine ASCII digits, not all zero. RvIG tests no check digit, nor do we."""
    return isinstance(value, str) and len(value) == 9 and value.isascii() and value.isdigit() and value != _NO_BSN


def scalar_text(value: object) -> str | None:
    """A JSON scalar as the text that RvIG makes of it: numbers are taken for texts. None for null, objects, arrays."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST:
        return str(int(value))
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST else f"{'-' if value < 0 else ''}{_LARGEST}"
    return str(value) if isinstance(value, float) else None


def read_question(api: str, body: object) -> Question:
    """The question that a decoded body asks of an API; a body that is no JSON object asks nothing."""
    if not isinstance(body, dict):
        return Question(api, None)
    kind = body.get("type")
    fields = body.get("fields")
    asked = body.get("burgerservicenummer")
    texts = map(scalar_text, asked if isinstance(asked, list) else (asked,))
    bsns = [text for text in texts if is_bsn(text)]
    distinct = tuple(dict.fromkeys(bsns))
    return Question(
        api=api,
        type=kind if isinstance(kind, str) else None,
        parameters=tuple(name for name in body if isinstance(name, str) and name not in NO_SEARCH_PARAMETERS),
        fields=tuple(name for name in fields if isinstance(name, str)) if isinstance(fields, list) else (),
        bsns=distinct,
        bsns_repeated=len(bsns) != len(distinct),
        adresseerbaar_object=scalar_text(body.get("adresseerbaarObjectIdentificatie")),
    )
