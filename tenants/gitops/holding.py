"""What of a document waits for acceptance, and the voorstellen that ask it. Inside the transaction of an apply.

The command line only asks what says who may call in productie (IDPs, taaksystemen, mandates, machtigingen), when an
aansluiting goes there, what a tenant signs (agreements, lendings), whom it wants told and where its checkpoints go. It becomes a voorstel to the
tenant's beheerder, of what differs and nothing else. What differs is found by doing it and taking it back. What cannot be
done as things stand (a step that is missing, another tenant that has not accepted its part) waits, and is asked later.
"""

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import asyncpg

from tenants.faults import InputRefused
from tenants.notices.signing import NoticeKeys
from tenants.onboarding_aansluitingen import apply_steps, move_to_states
from tenants.onboarding_callers import apply_machtigingen, apply_mandates, apply_taaksystemen, apply_vaste_aansluitingen
from tenants.onboarding_checkpoints import DestinationPart, apply_destinations
from tenants.onboarding_contacts import ContactPart, apply_contacts
from tenants.onboarding_document import AansluitingPart, MachtigingPart, MandatePart, TaaksysteemPart, TenantPart
from tenants.onboarding_held import HeldAansluiting
from tenants.onboarding_patterns import apply_agreements, apply_lendings
from tenants.onboarding_proofs import IdpPart
from tenants.onboarding_shapes import AgreementPart, LendingPart, Part
from tenants.onboarding_work import Work
from tenants.scope import tenant_scope

P = TypeVar("P", bound=Part)
_HELD: Final = (
    "checkpoint_destinations", "contacts", "agreements", "certificate_lendings", "certificate_exceptions", "idps", "taaksystemen", "mandates", "machtigingen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """A part of the document that cannot be done or asked yet, and why."""

    tenant_oin: str
    what: str
    why: str


@dataclass(slots=True)
class Difference:
    """What of one tenant's held parts differs, as it is found."""

    checkpoint_destinations: list[DestinationPart] = field(default_factory=list)
    contacts: list[ContactPart] = field(default_factory=list)
    agreements: list[AgreementPart] = field(default_factory=list)
    certificate_lendings: list[LendingPart] = field(default_factory=list)
    idps: list[IdpPart] = field(default_factory=list)
    taaksystemen: dict[tuple[str, str], TaaksysteemPart] = field(default_factory=dict)
    mandates: list[MandatePart] = field(default_factory=list)
    machtigingen: list[MachtigingPart] = field(default_factory=list)
    aansluitingen: list[HeldAansluiting] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def split(part: TenantPart, proef: Collection[str]) -> tuple[TenantPart, TenantPart]:
    """A tenant's part in two: what is done at once, and what its beheerder accepts. In environments `proef` nothing is asked.

    The aansluitingen stand in both: they are made at once, and in productie put to use by acceptance.
    """

    def in_proef(parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(one for one in parts if one.environment in proef)

    def elsewhere(parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(one for one in parts if one.environment not in proef)

    now = part.model_copy(
        update=dict.fromkeys(_HELD, ())
        | {"taaksystemen": in_proef(part.taaksystemen), "machtigingen": in_proef(part.machtigingen)}
    )
    later = part.model_copy(
        update={
            "taaksystemen": elsewhere(part.taaksystemen),
            "machtigingen": elsewhere(part.machtigingen),
            "aansluitingen": tuple(one for one in elsewhere(part.aansluitingen) if one.state != "geblokkeerd"),
        }
    )
    return now, later


async def put_to_use(work: Work, part: TenantPart) -> list[Waiting]:
    """Tick and move what no beheerder decides on: all in proef, and a stop everywhere. In the tenant's scope."""
    if not part.aansluitingen:
        return []
    tenant_id = work.tenants[part.oin]
    in_proef = [one for one in part.aansluitingen if one.environment in work.proef]
    await apply_steps(work, tenant_id, in_proef)
    stopping = [one for one in part.aansluitingen if one.state == "geblokkeerd" and one.environment not in work.proef]
    refused = await move_to_states(work, tenant_id, [*in_proef, *stopping])
    return [Waiting(part.oin, what, " ".join(faults)) for what, faults in refused.items()]


async def find_difference(work: Work, part: TenantPart) -> Difference:
    """Do each of a tenant's held parts, note which changed anything, and take everything back. In the tenant's scope."""
    found = Difference()
    if not any(getattr(part, name) for name in (*_HELD, "aansluitingen")):
        return found
    tenant_id = work.tenants[part.oin]
    trial = work.connection.transaction()
    await trial.start()
    try:
        async with tenant_scope(work.connection, tenant_id, actor="beheerder/0 (voorstel 0)"):
            # What a webhook is signed with is only made up here: by acceptance it gets the secret that holds.
            notices = work.notices or made_up_keys()
            doing = replace(
                work, actor="beheerder/0 (voorstel 0)", asks=False, notices=notices, made=Counter(), changed=Counter(),
                secrets=[], touched=[],
            )  # fmt: skip
            await _Finding(doing, part, found).find()
    finally:
        await trial.rollback()
    return found


def made_up_keys() -> NoticeKeys:
    """Keys for a trial, that sign nothing."""
    return NoticeKeys("00000000", {"00000000": secrets.token_bytes(32)})


@dataclass(frozen=True, slots=True)
class _Finding:
    """The search for what differs, of one tenant."""

    work: Work
    part: TenantPart
    found: Difference

    async def find(self) -> None:
        part, found = self.part, self.found

        async def contacts(work: Work, only: TenantPart) -> None:
            await apply_contacts(work, part.oin, only.contacts)

        async def destinations(work: Work, only: TenantPart) -> None:
            await apply_destinations(work, part.oin, only.checkpoint_destinations)

        found.checkpoint_destinations += await self._each(
            "checkpoint_destinations", part.checkpoint_destinations, destinations
        )
        found.contacts += await self._each("contacts", part.contacts, contacts)
        found.agreements += await self._each("agreements", part.agreements, apply_agreements)
        found.certificate_lendings += await self._each(
            "certificate_lendings", part.certificate_lendings, apply_lendings
        )
        found.idps += await self._each("idps", part.idps, apply_taaksystemen)
        for one in await self._each("taaksystemen", part.taaksystemen, apply_taaksystemen, waits=False):
            found.taaksystemen[one.name, one.environment] = one.model_copy(update={"vaste_aansluiting": None})
        found.mandates += await self._each("mandates", part.mandates, apply_mandates)
        fixed = [one for one in part.taaksystemen if one.vaste_aansluiting is not None]
        for one in await self._each("taaksystemen", fixed, apply_vaste_aansluitingen):
            found.taaksystemen[one.name, one.environment] = one
        found.machtigingen += await self._each("machtigingen", part.machtigingen, apply_machtigingen)
        await self._aansluitingen()

    async def _each(
        self,
        name: str,
        parts: Sequence[P],
        apply: Callable[[Work, TenantPart], Awaitable[None]],
        *,
        waits: bool = True,
    ) -> list[P]:
        """Those of these parts that change anything. They are done together; when one is refused, by halves.

        `waits`: whether what rests on another tenant may be asked later.
        """
        if not parts:
            return []
        work, start = self.work, len(self.work.touched)
        only = self.part.model_copy(update=dict.fromkeys(_HELD, ()) | {name: tuple(parts)})
        try:
            async with work.connection.transaction():
                await apply(work, only)
        except (InputRefused, asyncpg.IntegrityConstraintViolationError) as error:
            del work.touched[start:]
            if len(parts) == 1:
                self._refused(parts[0], error, may_wait=waits)
                return []
            half = len(parts) // 2
            return [
                *await self._each(name, parts[:half], apply, waits=waits),
                *await self._each(name, parts[half:], apply, waits=waits),
            ]
        touched = {id(one) for one in work.touched[start:]}
        return [one for one in parts if id(one) in touched]

    def _refused(
        self, part: Part, error: InputRefused | asyncpg.IntegrityConstraintViolationError, *, may_wait: bool
    ) -> None:
        what, waits = _described(part, self.part.oin)
        if not isinstance(error, InputRefused):
            fault = f"the registry refuses this: {error.constraint_name} of {error.table_name}."
            self.found.faults.append(f"{what}: {fault}")
        elif waits and may_wait:
            self.found.waiting.append(Waiting(self.part.oin, what, " ".join(error.faults)))
        else:
            self.found.faults += (f"{what}: {fault}" for fault in error.faults)

    async def _aansluitingen(self) -> None:
        work, parts, tenant_id = self.work, self.part.aansluitingen, self.work.tenants[self.part.oin]
        start = len(work.touched)
        try:
            await apply_steps(work, tenant_id, parts)
        except InputRefused as refusal:
            self.found.faults += refusal.faults
        ticked = {id(one) for one in work.touched[start:]}
        start = len(work.touched)
        refused = await move_to_states(work, tenant_id, parts)
        moved = {id(one) for one in work.touched[start:]}
        self.found.waiting += (Waiting(self.part.oin, what, " ".join(faults)) for what, faults in refused.items())
        self.found.aansluitingen += (
            _held(one, ticked=id(one) in ticked, moved=id(one) in moved) for one in parts if id(one) in ticked | moved
        )


def _held(one: AansluitingPart, *, ticked: bool, moved: bool) -> HeldAansluiting:
    if one.state == "geblokkeerd":
        raise RuntimeError("A stop is not asked.")
    return HeldAansluiting(
        afnemer_id=one.afnemer_id, environment=one.environment, pattern=one.pattern, state=one.state if moved else None,
        steps=one.steps if ticked else (),
    )  # fmt: skip


def _described(part: Part, oin: str) -> tuple[str, bool]:
    """A part in words, and whether it may rest on another tenant that has not accepted its own part yet."""
    match part:
        case MachtigingPart():
            words = f"machtiging of {part.taaksysteem.name} for {part.afnemer_id} ({part.doelbinding})"
            return words, part.taaksysteem.tenant not in {None, oin}
        case TaaksysteemPart(vaste_aansluiting=reference):
            return f"taaksysteem {part.name}", reference is not None and reference.tenant not in {None, oin}
        case IdpPart():
            return f"IDP {part.name}", False
        case MandatePart() | LendingPart():
            noun = "mandate" if isinstance(part, MandatePart) else "lending"
            return f"{noun} to {part.to}", False
        case AgreementPart():
            return f"{part.kind} with {part.party}", False
        case ContactPart() | DestinationPart():
            words = f"contact {part.name}" if isinstance(part, ContactPart) else f"checkpoints to {part.target}"
            return words, False
    raise RuntimeError("No such part is held.")
