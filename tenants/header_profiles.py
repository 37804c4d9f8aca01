"""Header profiles as data: which header of a taaksysteem says what. Pure.

A profile gives each role (organisation, AfnemerID, user, …) the headers that play it, and their limits. Those of the
suppliers in the field are known by name; a tenant's own one may lean on one of them. None of these headers is evidence:
a profile only lets them narrow what the credentials allow (`gateway.profiles`). Refuses a profile that would read a
header of HTTP itself, a credential, or one that RvIG gets. Source: the headers that suppliers send, as seen in the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tenants.faults import InputRefused

Role = Literal[
    "organisation", "afnemer_id", "user", "doelbinding", "verwerking", "application", "correlation"
]  # fmt: skip
Charset = Literal["text", "ascii", "word"]

ROLES: Final = ("organisation", "afnemer_id", "user", "doelbinding", "verwerking", "application", "correlation")
LONGEST: Final[Mapping[str, int]] = {
    "organisation": 20, "afnemer_id": 6, "user": 200, "doelbinding": 500, "verwerking": 242, "application": 200,
    "correlation": 200,
}  # fmt: skip
"""Characters at most, unless a profile says fewer. `verwerking` as iConnect limits it."""

_NEVER: Final = frozenset(
    {
        "accept", "accept-encoding", "accept-gezag-version", "authorization", "client-cert", "client-cert-chain",
        "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect", "forwarded",
        "host", "keep-alive", "proxy-authorization", "te", "traceparent", "tracestate", "trailer", "transfer-encoding",
        "upgrade", "x-api-key",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """The headers (lower-case) that play one role; when more than one is sent they must say the same.

    charset: text (no control characters), ascii (printable), word (letters, digits and `._:@/-`).
    """

    headers: tuple[str, ...]
    longest: int
    charset: Charset = "text"
    obligatory: bool = False


@dataclass(frozen=True, slots=True)
class HeaderProfile:
    """What each role is said by."""

    name: str
    slots: Mapping[str, Slot] = field(default_factory=dict)


def _profile(name: str, **headers: tuple[str, ...]) -> HeaderProfile:
    return HeaderProfile(name, {role: Slot(names, LONGEST[role]) for role, names in headers.items()})


PROFILES: Final[Mapping[str, HeaderProfile]] = {
    one.name: one
    for one in (
        HeaderProfile("none"),
        _profile(
            "iconnect",
            organisation=("x-origin-oin", "x-afnemer-oin"),
            user=("x-gebruiker",),
            doelbinding=("x-doelbinding",),
            verwerking=("x-verwerking",),
            application=("x-toepassing",),
        ),
        _profile(
            "2secure",
            organisation=("x-origin-oin",),
            user=("x-gebruiker",),
            doelbinding=("x-doelbinding",),
            verwerking=("x-verwerking",),
            application=("x-applicatie", "x-toepassing"),
        ),
        _profile(
            "centric",
            organisation=("x-request-organization",),
            afnemer_id=("x-request-afnemerscode",),
            user=("x-request-user",),
            application=("x-request-application",),
        ),
        _profile(
            "amsterdam",
            doelbinding=("x-task-description",),
            user=("x-user",),
            correlation=("x-correlation-id",),
        ),
        _profile(
            "nlx",
            organisation=("x-nlx-request-delegator",),
            doelbinding=("x-nlx-request-process-id",),
            user=("x-nlx-requester-user",),
            application=("x-nlx-request-application-id",),
        ),
    )
}
"""The profiles by name. They demand no header: who demands one makes an own profile `based_on` one of them."""


def _header_name(value: str) -> str:
    name = value.lower()
    if (
        not name
        or len(name) > 80
        or not all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    ):
        raise ValueError("a header name has letters, digits, - and _ only")
    if name in _NEVER:
        raise ValueError("this header has a meaning of its own")
    return name


class SlotPart(BaseModel):
    """One role as a document says it. Without `headers`, those of the profile that this one is based on."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headers: tuple[Annotated[str, AfterValidator(_header_name)], ...] = Field((), max_length=4)
    longest: int | None = Field(None, ge=1, le=1000)
    charset: Charset | None = None
    obligatory: bool | None = None


class HeaderProfilePart(BaseModel):
    """An own profile as a document says it. A role with null takes the role of the other profile away."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    based_on: Literal["iconnect", "2secure", "centric", "amsterdam", "nlx", "none"] = "none"
    roles: dict[Role, SlotPart | None] = Field(default_factory=dict)


def read_profile(name: str, document: Mapping[str, Any]) -> HeaderProfile:
    """Return an own profile. Raises InputRefused with every fault."""
    try:
        part = HeaderProfilePart.model_validate(document)
    except ValidationError as error:
        raise InputRefused(
            f"{'.'.join(str(place) for place in one['loc']) or 'profile'}: {one['msg']}." for one in error.errors()
        ) from None
    slots = dict(PROFILES[part.based_on].slots)
    faults = []
    for role, given in part.roles.items():
        if given is None:
            slots.pop(role, None)
            continue
        below = slots.get(role, Slot((), LONGEST[role]))
        slot = Slot(
            given.headers or below.headers,
            below.longest if given.longest is None else given.longest,
            given.charset or below.charset,
            below.obligatory if given.obligatory is None else given.obligatory,
        )
        if not slot.headers:
            faults.append(f"roles.{role}: no header is named, and none is known from {part.based_on!r}.")
        if slot.longest > LONGEST[role]:
            faults.append(f"roles.{role}: {LONGEST[role]} characters at most.")
        slots[role] = slot
    names = [header for slot in slots.values() for header in slot.headers]
    if len(set(names)) != len(names):
        faults.append("A header plays two roles; it can play one.")
    if faults:
        raise InputRefused(faults)
    return HeaderProfile(name, slots)
