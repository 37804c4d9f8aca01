"""The shapes of the admin API: what it takes and gives. The same models validate, write, and make the OpenAPI document.

Unknown names are refused. Names are the law's Dutch nouns in camelCase; times have a time zone (RFC 3339).
"""

import re
import unicodedata
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from tenants.written import OF_PARAMETERS, Moment

MOST_ROWS = 200
_NINE_DIGITS = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")
_WAARDEN = {
    "tenant": (re.compile(r"[1-9][0-9]{0,17}"), "het nummer van een tenant"),
    "afnemer": (re.compile(r"[0-9]{6}"), "een AfnemerID van zes cijfers"),
    "oin": (re.compile(r"000000[0-9]{2}[0-9A-Z]{9}000"), "een OIN van twintig posities"),
    "certificaat": (re.compile(r"[0-9a-f]{64}"), "een SHA-256-vingerafdruk: 64 cijfers of kleine letters a-f"),
    "taaksysteem": (re.compile(r"[1-9][0-9]{0,17}-[1-9][0-9]{0,17}"), "tenantnummer-taaksysteemnummer"),
}


def one_line(text: str) -> str:
    """Refuse control characters and a text without anything in it."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("De tekst mag geen stuurtekens hebben.")
    if not text.strip():
        raise ValueError("De tekst is leeg.")
    return text


def _without_bsn(text: str) -> str:
    """A reason is kept in the clear and read by others, so a BSN has no place in it."""
    if _NINE_DIGITS.search(text):
        raise ValueError("De tekst lijkt een burgerservicenummer te bevatten; dat hoort hier niet.")
    return text


def waarde_fits(soort: str, waarde: str) -> bool:
    """Tell whether this could be blocked under this kind."""
    return soort in _WAARDEN and _WAARDEN[soort][0].fullmatch(waarde) is not None


Reden = Annotated[
    str,
    Field(min_length=1, max_length=500, description="Waarom; één regel, zonder persoonsgegevens."),
    AfterValidator(one_line),
    AfterValidator(_without_bsn),
]
Soort = Literal["tenant", "afnemer", "oin", "certificaat", "taaksysteem"]


class Shape(BaseModel):
    """What every shape has: camelCase names, nothing unknown, nothing coerced."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _is_no_text(character: str) -> bool:
    """Whether it is a control character, half a pair, or what stands in the place of bytes that are no UTF-8."""
    return character == "\ufffd" or unicodedata.category(character) in {"Cc", "Cs"}


class QueryShape(Shape):
    """Query parameters: text that stands for other types, each a line of it."""

    model_config = ConfigDict(strict=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_written_in_one_way(cls, given: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(given, str) and any(_is_no_text(character) for character in given):
            raise PydanticCustomError("string_unicode", "Not a text")
        kinds = {annotation, *get_args(annotation)}
        for kind, form in OF_PARAMETERS.items():
            if kind in kinds and isinstance(given, str):
                return form.read(given)
        return given


class Plaats(Shape):
    """Where a fault is: a pointer in the body (RFC 6901), or the name of a parameter."""

    pointer: str | None = None
    name: str | None = None


class Fout(Shape):
    """One fault of a request."""

    in_: Literal["body", "query", "path", "header"] = Field(alias="in")
    location: Plaats
    code: str
    detail: str


class Probleem(Shape):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[Fout] | None = None


class Tenant(Shape):
    """An organisation that the operator serves."""

    tenant_id: int
    oin: str
    naam: str
    soort: Literal["gemeente", "overheidsorgaan", "derde", "samenwerkingsverband", "leverancier"]
    vastlegging: Literal["volledig", "rubrieken"]
    bewaartermijn_jaren: int
    toestand: Literal["actief", "beeindigd"]
    aangemaakt_op: AwareDatetime


class Tenants(Shape):
    """A page of tenants by number; `volgende` is the number to go on from."""

    tenants: list[Tenant]
    volgende: int | None


class TenantsVraag(QueryShape):
    na: int = Field(default=0, ge=0, le=2**62, description="Alleen tenants met een hoger nummer.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class NieuweBlokkade(Shape):
    """What to block, and why. The operator blocks anything; a beheerder only what is its own tenant's."""

    soort: Soort
    waarde: str = Field(
        max_length=80,
        description="tenant: het nummer; afnemer: AfnemerID; oin: OIN; certificaat: SHA-256-vingerafdruk (hex); "
        "taaksysteem: tenantnummer-taaksysteemnummer.",
    )
    reden: Reden

    @field_validator("waarde")
    @classmethod
    def _fits(cls, waarde: str, info: ValidationInfo) -> str:
        soort = info.data.get("soort")
        # Without a known kind there is nothing to compare with, and that fault is told already.
        if soort is not None and not waarde_fits(soort, waarde):
            raise ValueError(f"Bij deze soort hoort {_WAARDEN[soort][1]}.")
        return waarde


class Opheffing(Shape):
    """Why a block is released."""

    reden: Reden


class Blokkade(Shape):
    """A block that stands. Of an OIN that is not the tenant's own, why and by whom is told to its own tenant alone."""

    soort: Soort
    waarde: str
    reden: str | None = Field(description="null: een OIN van een ander; wie blokkeerde zei het niet tegen deze tenant.")
    geblokkeerd_door: str | None
    geblokkeerd_op: AwareDatetime
    van_operator: bool | None = Field(description="Een blokkade van de operator kan alleen de operator opheffen.")


class Geraakt(Shape):
    """How much a block stops now, of all tenants: what is in use, in numbers."""

    tenants: int
    aansluitingen: int
    taaksystemen: int


class GezetteBlokkade(Blokkade):
    """A block that was just set, or stood. It may be there before what it is about."""

    raakt: Geraakt
    waarschuwing: str | None = Field(
        description="Staat er als de blokkade nu niets raakt: de waarde kan een tikfout zijn."
    )


class Blokkades(Shape):
    blokkades: list[Blokkade]


class Wijziging(Shape):
    """One change of the registry. Secrets are never part of it."""

    nummer: int
    op: AwareDatetime
    door: str
    actie: Literal["insert", "update", "delete"]
    object: str
    voor: dict[str, Any] | None
    na: dict[str, Any] | None


class Wijzigingen(Shape):
    """A page of changes, newest first; `volgende` is the number to go on from."""

    wijzigingen: list[Wijziging]
    volgende: int | None


class WijzigingenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen wijzigingen met een lager nummer.")
    object: str | None = Field(
        default=None, pattern=r"^[a-z_]{1,40}$", description="Alleen van deze soort, zoals in `object` staat."
    )
    door: str | None = Field(
        default=None, min_length=1, max_length=200, description="Alleen van deze beheerder, zoals in `door` staat."
    )
    van: Moment | None = Field(default=None, description="Alleen vanaf dit moment.")
    tot: Moment | None = Field(default=None, description="Alleen voor dit moment.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)
