"""What a taaksysteem's own headers say of a call, by its header profile. Pure.

They narrow, never widen: an organisation or AfnemerID becomes one more thing that must agree (`choose`), a doelbinding
selects among machtigingen that the caller has anyway, a user is recorded. Refuses, each with a code of its own and the
name of the header, never its value: headerOntbreekt, headerOngeldig, headersTegenstrijdig, gebruikerTegenstrijdig.
The other roles (verwerking, application, correlation) are recorded, sealed, with everything else that was sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.call import Caller, NamedAansluiting
from gateway.errors import Blocked, NotPermitted
from tenants.header_profiles import PROFILES, HeaderProfile
from tenants.model import AfnemerId, Oin

BY_HEADER: Final = "header"
"""What `NamedAansluiting.by` says of an aansluiting that a header names."""

_CHARSETS: Final = {
    "text": re.compile(r"[^\x00-\x1f\x7f-\x9f]+"),
    "ascii": re.compile(r"[\x20-\x7e]+"),
    "word": re.compile(r"[0-9A-Za-z._:@/-]+"),
}


@dataclass(frozen=True, slots=True)
class CompiledSlot:
    """One role, ready for use."""

    role: str
    headers: tuple[str, ...]
    longest: int
    pattern: re.Pattern[str]
    obligatory: bool


@dataclass(frozen=True, slots=True)
class CompiledProfile:
    """A profile, ready for use. `headers` are all that it reads."""

    slots: tuple[CompiledSlot, ...]
    headers: frozenset[str]


def compile_profile(profile: HeaderProfile) -> CompiledProfile:
    """Work out once what each call would."""
    slots = tuple(
        CompiledSlot(role, slot.headers, slot.longest, _CHARSETS[slot.charset], slot.obligatory)
        for role, slot in profile.slots.items()
    )
    return CompiledProfile(slots, frozenset(header for slot in slots for header in slot.headers))


COMPILED: Final[Mapping[str, CompiledProfile]] = {name: compile_profile(one) for name, one in PROFILES.items()}
"""The profiles that the product knows by name."""


def apply_profile(caller: Caller, headers: Mapping[str, str], own: Mapping[tuple[int, str], CompiledProfile]) -> Caller:
    """Return the caller with what its headers say, by the profile of its taaksysteem. Raises NotPermitted or Blocked.

    `own` are the tenants' own profiles by (tenant_id, name).
    """
    taaksysteem = caller.taaksysteem
    if taaksysteem.header_profile == "none":
        return caller
    profile = COMPILED.get(taaksysteem.header_profile) or own.get((taaksysteem.tenant_id, taaksysteem.header_profile))
    if profile is None:
        raise Blocked("headerprofielOnbruikbaar", "Het headerprofiel van dit taaksysteem is niet te gebruiken.")
    return narrow(caller, headers, profile)


def narrow(caller: Caller, headers: Mapping[str, str], profile: CompiledProfile) -> Caller:
    """Return the caller with what its headers say. Raises NotPermitted. Header names are lower-case."""
    said: dict[str, str] = {}
    for slot in profile.slots:
        value = _read(slot, headers)
        if value is not None:
            said[slot.role] = value
    organisation, afnemer_id = said.get("organisation"), said.get("afnemer_id")
    named = caller.named
    if organisation is not None or afnemer_id is not None:
        named = (*named, _named(organisation, afnemer_id))
    user = said.get("user")
    if user is not None and caller.user is not None and user != caller.user:
        raise NotPermitted("gebruikerTegenstrijdig", "Token en header noemen verschillende gebruikers.")
    return replace(
        caller,
        named=named,
        user=caller.user if user is None else user,
        doelbinding=said.get("doelbinding"),
        profile_headers=profile.headers,
    )


def _read(slot: CompiledSlot, headers: Mapping[str, str]) -> str | None:
    found = None
    for name in slot.headers:
        value = headers.get(name, "").strip(" \t")
        if not value:
            continue
        if len(value) > slot.longest or slot.pattern.fullmatch(value) is None:
            raise NotPermitted("headerOngeldig", f"De header {name} is te lang of bevat tekens die niet mogen.")
        if found is not None and found != value:
            raise NotPermitted("headersTegenstrijdig", f"De headers {' en '.join(slot.headers)} zeggen niet hetzelfde.")
        found = value
    if found is None and slot.obligatory:
        raise NotPermitted("headerOntbreekt", f"De verplichte header {' of '.join(slot.headers)} ontbreekt.")
    return found


def _named(organisation: str | None, afnemer_id: str | None) -> NamedAansluiting:
    try:
        oin = None if organisation is None else Oin(organisation)
    except ValueError:
        raise NotPermitted("headerOngeldig", "De header met de organisatie bevat geen OIN.") from None
    try:
        number = None if afnemer_id is None else AfnemerId(afnemer_id)
    except ValueError:
        raise NotPermitted("headerOngeldig", "De header met de afnemer bevat geen AfnemerID van zes cijfers.") from None
    return NamedAansluiting(BY_HEADER, number, oin)
