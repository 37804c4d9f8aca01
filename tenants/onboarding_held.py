"""What of a document its tenant must accept: who may call, what it agreed to, whom it wants told, where its checkpoints go. In a tenant's scope.

IDPs, taaksystemen, mandates and machtigingen say who may call and with which proof, aansluitingen when that begins;
agreements and lendings are the tenant's signature. The operator asks it, and the tenant's beheerder makes it so. The shape holds no secrets, as it is kept in a voorstel: those are made by acceptance, and shown to who accepts.
"""

from typing import Annotated, Literal

from pydantic import Field

from tenants.faults import InputRefused
from tenants.onboarding_aansluitingen import apply_steps, move_to_states
from tenants.onboarding_callers import apply_machtigingen, apply_mandates, apply_taaksystemen, apply_vaste_aansluitingen
from tenants.onboarding_checkpoints import DestinationPart, apply_destinations
from tenants.onboarding_contacts import ContactPart, apply_contacts
from tenants.onboarding_document import (
    AansluitingPart,
    AansluitingReference,
    GatewayClientPart,
    MachtigingPart,
    MandatePart,
    Pattern,
    TaaksysteemPart,
    TenantPart,
)
from tenants.onboarding_patterns import apply_agreements, apply_lendings
from tenants.onboarding_proofs import IdpPart, ProofsPart
from tenants.onboarding_shapes import AfnemerIdText, AgreementPart, LendingPart, Line, Part, StapPart
from tenants.onboarding_work import Work

ClientId = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


class HeldTaaksysteem(Part):
    """As a taaksysteem of a document, but a client of the token endpoint is its name alone."""

    name: Line
    environment: str
    api_key: bool = False
    gateway_clients: tuple[ClientId, ...] = ()
    vaste_aansluiting: AansluitingReference | None = None
    header_profile: str | None = None
    proofs: ProofsPart | None = None

    def part(self) -> TaaksysteemPart:
        """As a document has it."""
        clients = tuple(GatewayClientPart(client_id=one, secret=None) for one in self.gateway_clients)
        return TaaksysteemPart(
            name=self.name, environment=self.environment, api_key=self.api_key, gateway_clients=clients,
            vaste_aansluiting=self.vaste_aansluiting, header_profile=self.header_profile, proofs=self.proofs,
        )  # fmt: skip


class HeldAansluiting(Part):
    """Steps that were taken, and the state that an aansluiting moves to; without one it stays where it is."""

    afnemer_id: AfnemerIdText
    environment: str
    pattern: Pattern = "standaard"
    state: Literal["concept", "proef", "productie"] | None = None
    steps: tuple[StapPart, ...] = ()

    def part(self) -> AansluitingPart:
        """As a document has it."""
        return AansluitingPart.model_construct(
            afnemer_id=self.afnemer_id, environment=self.environment, pattern=self.pattern, state=self.state or "concept",
            steps=self.steps,
        )  # fmt: skip


class HeldPart(Part):
    """What a tenant accepts as a whole, or refuses."""

    checkpoint_destinations: tuple[DestinationPart, ...] = ()
    contacts: tuple[ContactPart, ...] = ()
    agreements: tuple[AgreementPart, ...] = ()
    certificate_lendings: tuple[LendingPart, ...] = ()
    idps: tuple[IdpPart, ...] = ()
    taaksystemen: tuple[HeldTaaksysteem, ...] = ()
    mandates: tuple[MandatePart, ...] = ()
    machtigingen: tuple[MachtigingPart, ...] = ()
    aansluitingen: tuple[HeldAansluiting, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in type(self).model_fields)


async def apply_held(work: Work, oin: str, held: HeldPart) -> None:
    """Bring the tenant to what this says, the states of aansluitingen last, by their checklist. Raises InputRefused."""
    part = TenantPart.model_construct(
        oin=oin,
        agreements=held.agreements,
        certificate_lendings=held.certificate_lendings,
        idps=held.idps,
        taaksystemen=tuple(one.part() for one in held.taaksystemen),
        mandates=held.mandates,
        machtigingen=held.machtigingen,
    )
    await apply_destinations(work, oin, held.checkpoint_destinations)
    await apply_contacts(work, oin, held.contacts)
    await apply_agreements(work, part)
    await apply_lendings(work, part)
    await apply_taaksystemen(work, part)
    await apply_mandates(work, part)
    await apply_vaste_aansluitingen(work, part)
    await apply_machtigingen(work, part)
    tenant_id = work.tenants[oin]
    await apply_steps(work, tenant_id, [one.part() for one in held.aansluitingen])
    moving = [one.part() for one in held.aansluitingen if one.state is not None]
    if refused := await move_to_states(work, tenant_id, moving):
        raise InputRefused(f"{what}: {' '.join(faults)}" for what, faults in refused.items())
