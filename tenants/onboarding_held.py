"""What of a document its tenant must accept in productie: IDPs, taaksystemen, mandates, machtigingen. In a tenant's scope.

This is what says who may call, and with which proof: the operator asks it, and the tenant's beheerder makes it so. The
shape holds no secrets, as it is kept in a voorstel: those are made by acceptance, and shown to who accepts.
"""

from typing import Annotated

from pydantic import Field

from tenants.onboarding_callers import apply_machtigingen, apply_mandates, apply_taaksystemen, apply_vaste_aansluitingen
from tenants.onboarding_document import (
    AansluitingReference,
    GatewayClientPart,
    MachtigingPart,
    MandatePart,
    TaaksysteemPart,
    TenantPart,
)
from tenants.onboarding_proofs import IdpPart, ProofsPart
from tenants.onboarding_shapes import Line, Part
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


class HeldPart(Part):
    """What a tenant accepts as a whole, or refuses."""

    idps: tuple[IdpPart, ...] = ()
    taaksystemen: tuple[HeldTaaksysteem, ...] = ()
    mandates: tuple[MandatePart, ...] = ()
    machtigingen: tuple[MachtigingPart, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.idps or self.taaksystemen or self.mandates or self.machtigingen)


async def apply_held(work: Work, oin: str, held: HeldPart) -> None:
    """Bring the tenant to what this says, as `registry apply` would. Raises InputRefused."""
    part = TenantPart.model_construct(
        oin=oin,
        idps=held.idps,
        taaksystemen=tuple(one.part() for one in held.taaksystemen),
        mandates=held.mandates,
        machtigingen=held.machtigingen,
    )
    await apply_taaksystemen(work, part)
    await apply_mandates(work, part)
    await apply_vaste_aansluitingen(work, part)
    await apply_machtigingen(work, part)
