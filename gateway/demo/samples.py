"""The sample tenants: who they are, and how they are registered. Everything is fictitious.

- A gemeente with its own taaksysteem (pattern *standaard*): an API key, and a vaste aansluiting.
- A waterschap that is customer of a SaaS vendor (pattern *saas*): the vendor's taaksysteem works under its mandate.
- Two gemeenten in a samenwerkingsverband (pattern *gezamenlijk-personeel*): one taaksysteem, a mandate from each; the
  scope of the token says for which of the two it asks.

Each has its own certificate, AfnemerID and credentials at RvIG. Written with the public halves of both keyrings, as the
admin side would: it can open none of what it seals.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import asyncpg

from gateway.demo.ground import Ground
from gateway.pki import Issued
from tenants.agreements import NewAgreement, add_agreement
from tenants.autorisatie import NewBesluit, put_besluiten, read_rubrieken
from tenants.callers import (
    NewMachtiging,
    create_machtiging,
    create_mandate,
    create_taaksysteem,
    issue_api_key,
    issue_gateway_client,
    set_vaste_aansluiting,
)
from tenants.keyring import Keyring, public_half
from tenants.registry import (
    add_certificate,
    add_credential,
    create_aansluiting,
    create_afnemer,
    create_tenant,
    ensure_tenant_years,
)
from tenants.rights import Rights
from tenants.scope import operator_scope, tenant_scope
from tenants.taaksysteem_headers import set_header_profile

ENVIRONMENT = "productie"
ACTOR = "demo"
PROFILE = "iconnect"
"""The header profile of every taaksysteem: `x-gebruiker` says which employee asks."""
BESLUIT_FROM = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class SampleAfnemer:
    """An organisation with an AfnemerID, and its account at RvIG.

    `rubrieken` are those of its autorisatiebesluit, as RvIG's table writes them; a gemeente needs none.
    """

    name: str
    kind: str
    oin: str
    afnemer_id: str
    pattern: str
    gemeentecode: str | None = None
    mailbox_id: str | None = None
    rubrieken: str = ""
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def client_id(self) -> str:
        return f"rvig-{self.afnemer_id}"

    @property
    def scope(self) -> str:
        return f"{self.afnemer_id}-{self.oin}"

    def account(self) -> dict[str, Any]:
        """What RvIG knows of it: one entry of the simulator's file of afnemers."""
        return {
            "afnemer_id": self.afnemer_id,
            "oin": self.oin,
            "gemeente_code": self.gemeentecode,
            "mailbox_id": self.mailbox_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }


def make_afnemers() -> dict[str, SampleAfnemer]:
    """The four organisations, by a short name, with fresh secrets at RvIG."""
    joint = "gezamenlijk-personeel"
    return {
        "duinwijk": SampleAfnemer(
            "Gemeente Duinwijk", "gemeente", "00000099910100001000", "910101", "standaard", "9101", "9101010"
        ),
        "veenkant": SampleAfnemer(
            "Waterschap Veenkant", "overheidsorgaan", "00000099510100002000", "510193", "saas",
            rubrieken="10120 10210 10220 10230 10240 10310 10320 10330 16110 81120 81160 PAAD01 PANM01 PANM02 PXVP07",
        ),
        "zilverzand": SampleAfnemer(
            "Gemeente Zilverzand", "gemeente", "00000099910300003000", "910301", joint, "9103", "9103010"
        ),
        "turfmeer": SampleAfnemer(
            "Gemeente Turfmeer", "gemeente", "00000099910400004000", "910401", joint, "9104", "9104010"
        ),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Organisation:
    """A registered afnemer: its tenant, and the identity that its calls leave with."""

    afnemer: SampleAfnemer
    tenant_id: int
    aansluiting_id: int
    certificate_id: int
    issued: Issued


@dataclass(frozen=True, slots=True)
class CallingSystem:
    """A registered taaksysteem, and what it proves itself with: an API key, or a client-ID with its secret."""

    name: str
    owner: str
    tenant_id: int
    taaksysteem_id: int
    api_key: str | None = field(default=None, repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Samples:
    """Everything that was registered."""

    duinwijk: Organisation
    veenkant: Organisation
    zilverzand: Organisation
    turfmeer: Organisation
    burgerzaken: CallingSystem
    heffingen: CallingSystem
    werkplein: CallingSystem


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a machtiging says about why and for whom."""

    doelbinding: str
    grondslag: str
    ontvanger: str
    verwerkingsactiviteit: str
    rights: Rights


BURGERZAKEN = Purpose(
    "burgerzaken",
    "art. 3.5 Wet BRP",
    "afdeling Burgerzaken",
    "https://duinwijk.example/verwerkingen/burgerzaken",
    {"personen": {}, "bewoningen": {}, "reisdocumenten": {}, "berichten": {}},
)
HEFFINGEN = Purpose(
    "heffing-waterschapsbelasting",
    "art. 3.2 Wet BRP",
    "cluster Heffingen",
    "https://veenkant.example/verwerkingen/heffingen",
    {
        "personen": {"fields": ["burgerservicenummer", "naam", "geboorte", "adressering"]},
        "verblijfplaatshistorie": {},
    },
)
PARTICIPATIEWET = Purpose(
    "uitvoering-participatiewet",
    "art. 3.5 Wet BRP",
    "college van burgemeester en wethouders",
    "https://werkplein.example/verwerkingen/participatiewet",
    {"personen": {}, "reisdocumenten": {}},
)


@dataclass(frozen=True, slots=True)
class Registration:
    """Who registers: a connection of role koppelpunt_tenants, and the public halves of the keyrings."""

    connection: asyncpg.Connection
    ground: Ground
    identity: Keyring
    register: Keyring


async def register_samples(
    connection: asyncpg.Connection, ground: Ground, afnemers: Mapping[str, SampleAfnemer]
) -> Samples:
    """Register the three tenants of the demo, the vendor, and the two members of the samenwerkingsverband."""
    by = Registration(connection, ground, public_half(ground.identity), public_half(ground.register))
    duinwijk, veenkant, zilverzand, turfmeer = [await _organisation(by, one) for one in afnemers.values()]
    burgerzaken = await _burgerzaken(by, duinwijk)
    await _agreements(by, veenkant, "Heffingen Online B.V.")
    heffingen = await _shared_taaksysteem(
        by,
        ("Heffingen Online", "Heffingen Online B.V.", "leverancier", "00000099770100005000"),
        [veenkant],
        HEFFINGEN,
    )
    werkplein = await _shared_taaksysteem(
        by,
        ("Werkplein Inkomen", "Werkplein Noordkust", "samenwerkingsverband", "00000099880100006000"),
        [zilverzand, turfmeer],
        PARTICIPATIEWET,
    )
    return Samples(duinwijk, veenkant, zilverzand, turfmeer, burgerzaken, heffingen, werkplein)


async def _organisation(by: Registration, afnemer: SampleAfnemer) -> Organisation:
    db = by.connection
    issued = by.ground.pki.issue_client(afnemer.oin, afnemer.name)
    tenant_id = await _tenant(by, afnemer.oin, afnemer.name, afnemer.kind)
    async with tenant_scope(db, tenant_id, actor=ACTOR):
        await create_afnemer(
            db, tenant_id, afnemer_id=afnemer.afnemer_id, oin=afnemer.oin, name=afnemer.name, kind=afnemer.kind,
            gemeentecode=afnemer.gemeentecode, mailbox_id=afnemer.mailbox_id,
        )  # fmt: skip
        if afnemer.rubrieken:
            besluit = NewBesluit(afnemer.afnemer_id, BESLUIT_FROM, None, "N", read_rubrieken(afnemer.rubrieken))
            await put_besluiten(db, tenant_id, [besluit])
        certificate_id = await add_certificate(
            db, tenant_id, by.identity, organisation_oin=afnemer.oin, chain_pem=issued.chain_pem, key_pem=issued.key_pem
        )
        credential_id = await add_credential(
            db, tenant_id, by.identity, afnemer_id=afnemer.afnemer_id, environment=ENVIRONMENT,
            client_id=afnemer.client_id, secret=afnemer.client_secret,
        )  # fmt: skip
        aansluiting_id = await create_aansluiting(
            db, tenant_id, afnemer_id=afnemer.afnemer_id, organisation_oin=afnemer.oin, environment=ENVIRONMENT,
            certificate_id=certificate_id, credential_id=credential_id, pattern=afnemer.pattern, state=ENVIRONMENT,
        )  # fmt: skip
    return Organisation(afnemer, tenant_id, aansluiting_id, certificate_id, issued)


async def _agreements(by: Registration, customer: Organisation, vendor: str) -> None:
    """What the pattern saas wants of a customer; and what asking informatieproducten wants of one that is no gemeente."""
    today = datetime.now(UTC).date()
    async with tenant_scope(by.connection, customer.tenant_id, actor=ACTOR):
        for made in (
            NewAgreement("contract", vendor, today),
            NewAgreement("verwerkersovereenkomst", vendor, today),
            NewAgreement("convenant", "RvIG", today),
            NewAgreement("aanvullende_autorisatie", "RvIG", today, products=("adressering",)),
        ):
            await add_agreement(by.connection, customer.tenant_id, made)


async def _burgerzaken(by: Registration, duinwijk: Organisation) -> CallingSystem:
    db, tenant_id, name = by.connection, duinwijk.tenant_id, "Burgerzaken Duinwijk"
    async with tenant_scope(db, tenant_id, actor=ACTOR):
        taaksysteem_id = await create_taaksysteem(db, tenant_id, name=name, environment=ENVIRONMENT)
        await set_vaste_aansluiting(db, tenant_id, taaksysteem_id, (tenant_id, duinwijk.aansluiting_id))
        await set_header_profile(db, tenant_id, taaksysteem_id, PROFILE)
        await create_machtiging(db, tenant_id, _machtiging(BURGERZAKEN, duinwijk, (tenant_id, taaksysteem_id)))
        _, api_key = await issue_api_key(db, tenant_id, by.identity, taaksysteem_id)
    return CallingSystem(name, duinwijk.afnemer.name, tenant_id, taaksysteem_id, api_key=api_key)


async def _shared_taaksysteem(
    by: Registration, vendor: tuple[str, str, str, str], customers: Sequence[Organisation], purpose: Purpose
) -> CallingSystem:
    """A taaksysteem of `vendor` (its name; owner, kind and OIN), with a mandate and a machtiging of each customer."""
    db, (name, owner, kind, oin) = by.connection, vendor
    tenant_id = await _tenant(by, oin, owner, kind)
    async with tenant_scope(db, tenant_id, actor=ACTOR):
        taaksysteem_id = await create_taaksysteem(db, tenant_id, name=name, environment=ENVIRONMENT)
        await set_header_profile(db, tenant_id, taaksysteem_id, PROFILE)
        client_id, secret = await issue_gateway_client(db, tenant_id, by.identity, taaksysteem_id)
    for customer in customers:
        async with tenant_scope(db, customer.tenant_id, actor=ACTOR):
            mandate_id = await create_mandate(
                db, customer.tenant_id, to_tenant_id=tenant_id, reason=f"Overeenkomst met {owner}"
            )
            machtiging = _machtiging(purpose, customer, (tenant_id, taaksysteem_id), mandate_id)
            await create_machtiging(db, customer.tenant_id, machtiging)
    return CallingSystem(name, owner, tenant_id, taaksysteem_id, client_id=client_id, client_secret=secret)


async def _tenant(by: Registration, oin: str, name: str, kind: str) -> int:
    year = datetime.now(UTC).year
    async with operator_scope(by.connection, actor=ACTOR):
        tenant_id = await create_tenant(by.connection, oin=oin, name=name, kind=kind)
    async with tenant_scope(by.connection, tenant_id, actor=ACTOR):
        await ensure_tenant_years(by.connection, tenant_id, by.identity, by.register, [year, year + 1])
    return tenant_id


def _machtiging(
    purpose: Purpose, organisation: Organisation, taaksysteem: tuple[int, int], mandate_id: int | None = None
) -> NewMachtiging:
    return NewMachtiging(
        organisation.aansluiting_id, taaksysteem, purpose.doelbinding, purpose.grondslag, purpose.ontvanger,
        purpose.verwerkingsactiviteit, purpose.rights, mandate_id,
    )  # fmt: skip
