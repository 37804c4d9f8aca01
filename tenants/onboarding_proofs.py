"""The part of an onboarding that says how callers prove themselves: IDPs, their clients, certificates, public keys.

The shapes are here too, as nothing else needs them. In a tenant's scope. What the document does not name is left alone;
keys are never withdrawn by it.
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tenants import caller_keys
from tenants.api.addresses import HttpsAdres
from tenants.faults import InputRefused
from tenants.onboarding_shapes import Line, OinText, Part
from tenants.onboarding_work import Work

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class IdpPart(Part):
    """The tenant's own OIDC provider. `claims` say which claim means what; one that is not given is not looked at."""

    name: Line
    issuer: HttpsAdres
    jwks_url: HttpsAdres
    audience: str = Field(pattern=r"^[!-~]{1,500}$")
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "PS256", "ES256"), min_length=1)
    clock_skew: int = Field(30, ge=0, le=120)
    claim_taaksysteem: Line = "azp"
    claim_user: Line | None = None
    claim_roles: Line | None = None
    claim_afnemer_id: Line | None = None


class IdpClientPart(Part):
    """A client at the tenant's IDP of that name, as its tokens name it."""

    idp: Line
    client: Line


class CallerCertificatePart(Part):
    """A client certificate of the taaksysteem: by SHA-256 of its DER (hex, colons allowed), or any of an OIN."""

    thumbprint: str | None = None
    oin: OinText | None = None

    @field_validator("thumbprint")
    @classmethod
    def _hex(cls, value: str | None) -> str | None:
        plain = None if value is None else value.replace(":", "").lower()
        if plain is not None and (len(plain) != 64 or set(plain) - set("0123456789abcdef")):
            raise ValueError("a thumbprint is a SHA-256 in hex")
        return plain

    @model_validator(mode="after")
    def _one_of_two(self) -> "CallerCertificatePart":
        if (self.thumbprint is None) == (self.oin is None):
            raise ValueError("give either thumbprint or oin")
        return self


class SigningClientPart(Part):
    """A client of the gateway's token endpoint that signs (private_key_jwt), with its public keys as a JWK Set."""

    client_id: str = Field(pattern=r"^[!-~]{1,200}$")
    jwks: dict[str, Any] = Field(repr=False)

    @field_validator("jwks")
    @classmethod
    def _usable(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            caller_keys.check_public_keys(value)
        except InputRefused as refusal:
            raise ValueError(" ".join(refusal.faults)) from None
        return value


class ProofsPart(Part):
    """What a taaksysteem can prove itself with, beside secrets; `requires` are the kinds it must give together."""

    idp_clients: tuple[IdpClientPart, ...] = ()
    certificates: tuple[CallerCertificatePart, ...] = ()
    signing_clients: tuple[SigningClientPart, ...] = ()
    requires: tuple[Literal["api-key", "token", "idp", "certificate"], ...] | None = None

    @model_validator(mode="after")
    def _possible(self) -> "ProofsPart":
        if faults := caller_keys.faults_of_required(self.requires or ()):
            raise ValueError(" ".join(faults))
        return self


async def apply_idps(work: Work, tenant_id: int, idps: tuple[IdpPart, ...]) -> None:
    """Make or change the tenant's IDPs, each known by its name."""
    for one in idps:
        _, done = await caller_keys.put_idp(work.connection, tenant_id, caller_keys.NewIdp(**one.model_dump()))
        work.made["idp"] += done == "made"
        work.changed["idp"] += done == "changed"
        if done != "same":
            work.touched.append(one)


async def apply_proofs(work: Work, tenant_id: int, taaksysteem_id: int, part: ProofsPart | None) -> None:
    """Register what is not registered yet, and what is required together."""
    if part is None:
        return
    rows = await work.connection.fetch(
        "SELECT k.kind, k.client_id, k.thumbprint, k.oin, i.name AS idp, k.idp_client FROM registry.taaksysteem_key k "
        "LEFT JOIN registry.idp i ON i.tenant_id = k.tenant_id AND i.idp_id = k.idp_id "
        "WHERE k.tenant_id = $1 AND k.taaksysteem_id = $2 AND k.state = 'active' AND k.valid_until > now()",
        tenant_id, taaksysteem_id,
    )  # fmt: skip
    await _idp_clients(work, tenant_id, taaksysteem_id, part, {(row["idp"], row["idp_client"]) for row in rows})
    known = {row["thumbprint"] or row["oin"] for row in rows}
    for one in part.certificates:
        thumbprint = None if one.thumbprint is None else bytes.fromhex(one.thumbprint)
        if (thumbprint or one.oin) not in known:
            await caller_keys.register_certificate(
                work.connection, tenant_id, taaksysteem_id, thumbprint=thumbprint, oin=one.oin
            )
            work.made["key"] += 1
    clients = {row["client_id"] for row in rows}
    for signing in part.signing_clients:
        if signing.client_id in clients:
            work.changed["key"] += await caller_keys.replace_public_keys(
                work.connection, tenant_id, signing.client_id, signing.jwks
            )
            continue
        await caller_keys.register_signing_client(
            work.connection, tenant_id, taaksysteem_id, jwks=signing.jwks, client_id=signing.client_id
        )
        work.made["key"] += 1
    await _requires(work, tenant_id, taaksysteem_id, part)


async def _idp_clients(
    work: Work, tenant_id: int, taaksysteem_id: int, part: ProofsPart, known: set[tuple[str, str]]
) -> None:
    for one in part.idp_clients:
        if (one.idp, one.client) in known:
            continue
        idp_id = await work.connection.fetchval(
            "SELECT idp_id FROM registry.idp WHERE tenant_id = $1 AND name = $2 AND state = 'active'",
            tenant_id, one.idp,
        )  # fmt: skip
        if idp_id is None:
            raise InputRefused([f"There is no IDP {one.idp!r} of this tenant."])
        await caller_keys.register_idp_client(
            work.connection, tenant_id, taaksysteem_id, idp_id=idp_id, client=one.client
        )
        work.made["key"] += 1


async def _requires(work: Work, tenant_id: int, taaksysteem_id: int, part: ProofsPart) -> None:
    if part.requires is None:
        return
    now = await work.connection.fetchval(
        "SELECT requires FROM registry.taaksysteem WHERE tenant_id = $1 AND taaksysteem_id = $2",
        tenant_id, taaksysteem_id,
    )  # fmt: skip
    if set(now) != set(part.requires):
        await caller_keys.set_required_proofs(work.connection, tenant_id, taaksysteem_id, part.requires)
        work.changed["taaksysteem"] += 1
