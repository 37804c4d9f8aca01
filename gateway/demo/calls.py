"""The calls of the demo: made as a taaksysteem would make them, and looked at from three sides.

From the caller's side (the answer), from RvIG's (what the simulator saw), and from the tenant's auditor's (what stands
in the register, opened with the register keyring, which the gateway does not have).
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.demo.asking import Control, Reply, ask
from gateway.demo.database import DemoDatabase
from gateway.demo.expectations import RECEIPT, TRANSACTION, Call, Observed
from gateway.demo.ground import Ground
from gateway.demo.samples import BURGERZAKEN, HEFFINGEN, PARTICIPATIEWET, CallingSystem, Organisation, Samples
from tenants.protocolregels import Protocolregel
from tenants.reading import read_calls, search
from tenants.searches import Zoekvraag

AUDITOR = "auditor/demo"
REASON = "Controle van het register in de demo"
USER = {"x-gebruiker": "j.devries"}

PERSONEN = "/api/brp/personen"
BEWONINGEN = "/api/bewoning/bewoningen"
HISTORIE = "/api/brp/verblijfplaatshistorie"
REISDOCUMENTEN = "/api/brp/reisdocumenten"
BERICHTEN = "/api/brp/berichten/v1/berichten"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and how to reach it. `tokens` are those that the gateway issued, by (client-ID, scope)."""

    ground: Ground
    database: DemoDatabase
    samples: Samples
    gateway_url: str
    tenants_url: str
    control: Control
    context: ssl.SSLContext
    tenants: asyncpg.Connection
    inzage: asyncpg.Connection
    operator_key: str = field(repr=False)
    auditor_key: str = field(repr=False)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)


async def ask_token(stage: Stage, system: CallingSystem, scope: str) -> Reply:
    """Ask the gateway for a token, in the shape in which RvIG is asked for one."""
    form = {
        "grant_type": "client_credentials",
        "client_id": system.client_id,
        "client_secret": system.client_secret,
        "scope": scope,
        "resourceServer": "ResourceServer01",
    }
    return await ask("POST", f"{stage.gateway_url}/nidp/oauth/nam/token", form=form, context=stage.context)


async def credentials(stage: Stage, system: CallingSystem, organisation: Organisation) -> Mapping[str, str]:
    """The headers that a taaksysteem proves itself with; a token is asked for once."""
    if system.api_key is not None:
        return {"X-API-KEY": system.api_key}
    key = (system.client_id, organisation.afnemer.scope)
    if key not in stage.tokens:
        answer = (await ask_token(stage, system, organisation.afnemer.scope)).json
        stage.tokens[key] = str(answer.get("access_token", "")) if isinstance(answer, dict) else ""
    return {"Authorization": f"Bearer {stage.tokens[key]}"}


async def send(stage: Stage, call: Call) -> Reply:
    """Make one call with the taaksysteem's credentials."""
    headers = {**USER, **await credentials(stage, call.system, call.organisation)}
    return await ask(call.method, stage.gateway_url + call.path, headers=headers, body=call.body, context=stage.context)


async def observe(stage: Stage, call: Call) -> Observed:
    """Make one call and look at it from all sides."""
    before = await stage.control.count()
    reply = await send(stage, call)
    seen = await stage.control.seen_since(before)
    return Observed(reply, seen, await find_regel(stage, call.organisation.tenant_id, reply))


async def find_regel(stage: Stage, tenant_id: int, reply: Reply) -> Protocolregel | None:
    """The row that an answer's receipt names (or else its transaction), opened; None when there is none."""
    named = reply.headers.get(RECEIPT, "").partition(":")[0] or reply.headers.get(TRANSACTION, "")
    try:
        number = UUID(named)
    except ValueError:
        return None
    found = await read_calls(
        stage.inzage, stage.ground.register, tenant_id, [number], actor=AUDITOR, reason=REASON, contents=True
    )
    return found[0] if found else None


async def find_attempt(stage: Stage, tenant_id: int, period: tuple[datetime, datetime]) -> Protocolregel | None:
    """The newest refused attempt in a tenant's register within a period, opened; None when there is none."""
    found = await search(
        stage.inzage,
        stage.ground.register,
        tenant_id,
        Zoekvraag(period=period, contents=True),
        actor=AUDITOR,
        reason=REASON,
    )
    return next((regel for regel in found.regels if regel.refusal is not None), None)


async def sample_calls(stage: Stage) -> AsyncIterator[tuple[Call, Observed]]:
    """Make the calls of each tenant, one after another."""
    samples = stage.samples
    for call in gemeente_calls(samples):
        yield call, await observe(stage, call)
    async for pair in _post(stage):
        yield pair
    for call in (*saas_calls(samples), *joint_calls(samples)):
        yield call, await observe(stage, call)


def gemeente_calls(samples: Samples) -> list[Call]:
    """Pattern standaard: an API key, and a vaste aansluiting."""
    by = (samples.burgerzaken, samples.duinwijk, BURGERZAKEN.doelbinding)
    inhabitants = frozenset({"999941112", "999941501", "999941902", "999942311"})
    address = {"adresseerbaarObjectIdentificatie": "9101010000000001", "peildatum": "2025-01-01"}
    return [
        Call(
            "Personen: one person by BSN", *by, "POST", PERSONEN,
            person_question("999941112", "naam", "geboorte.datum"), frozenset({"999941112"}),
        ),
        Call(
            "Bewoning: who lived at an address on a day", *by, "POST", BEWONINGEN,
            {"type": "BewoningMetPeildatum", **address}, inhabitants,
        ),
    ]  # fmt: skip


def saas_calls(samples: Samples) -> list[Call]:
    """Pattern saas: the vendor's taaksysteem under its customer's mandate, with a token of this gateway."""
    by = (samples.heffingen, samples.veenkant, HEFFINGEN.doelbinding)
    found = {"postcode": "9912EF", "huisnummer": 43, "fields": ["burgerservicenummer", "naam", "adressering"]}
    moved = {"burgerservicenummer": "999941112", "peildatum": "2025-01-01"}
    return [
        Call(
            "Personen: a search by address", *by, "POST", PERSONEN,
            {"type": "ZoekMetPostcodeEnHuisnummer", **found}, frozenset({"999945506"}),
        ),
        Call(
            "Verblijfplaatshistorie: where someone lived on a day", *by, "POST", HISTORIE,
            {"type": "RaadpleegMetPeildatum", **moved}, frozenset({"999941112"}),
        ),
    ]  # fmt: skip


def joint_calls(samples: Samples) -> list[Call]:
    """Pattern gezamenlijk-personeel: one taaksysteem; the scope of its token says for which member it asks."""
    document = {"burgerservicenummer": "999941501", "fields": ["reisdocumentnummer", "soort", "houder"]}
    return [
        Call(
            "Personen: two persons by BSN, for the first member", samples.werkplein, samples.zilverzand,
            PARTICIPATIEWET.doelbinding, "POST", PERSONEN,
            person_question("999942712", "999943911", "naam", "verblijfplaats"), frozenset({"999942712", "999943911"}),
        ),
        Call(
            "Reisdocumenten: someone's travel documents, for the second member", samples.werkplein, samples.turfmeer,
            PARTICIPATIEWET.doelbinding, "POST", REISDOCUMENTEN,
            {"type": "ZoekMetBurgerservicenummer", **document}, frozenset({"999941501"}),
        ),
    ]  # fmt: skip


def person_question(*numbers_and_fields: str) -> dict[str, Any]:
    """A question for persons: BSNs first, then the fields beside burgerservicenummer."""
    numbers = [one for one in numbers_and_fields if one.isdecimal()]
    fields = [one for one in numbers_and_fields if not one.isdecimal()]
    return {
        "type": "RaadpleegMetBurgerservicenummer",
        "burgerservicenummer": numbers,
        "fields": ["burgerservicenummer", *fields],
    }


async def _post(stage: Stage) -> AsyncIterator[tuple[Call, Observed]]:
    """RvIG delivers post to the gemeente's mailbox; it is listed, and fetched by its id."""
    samples = stage.samples
    by = (samples.burgerzaken, samples.duinwijk, BURGERZAKEN.doelbinding)
    content = {"berichtType": "Gv01", "aNummer": "5101000000", "plData": {"c01": [{"e0120": "999941112"}]}}
    number = await stage.control.deliver(samples.duinwijk.afnemer.mailbox_id or "", content)
    listed = Call("Berichten: what is in the mailbox", *by, "GET", BERICHTEN)
    yield listed, await observe(stage, listed)
    fetched = Call(
        "Berichten: a spontaneous disclosure is fetched", *by, "GET", f"{BERICHTEN}/{number}", None,
        frozenset({"999941112"}),
    )  # fmt: skip
    yield fetched, await observe(stage, fetched)
