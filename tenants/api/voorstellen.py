"""Routes of voorstellen: see them, decide on them, take them back; and what an auditor grants by one.

Accepting runs the endpoint of the request that was proposed, in the transaction of the decision: both are done or neither.
Who accepts is who does it, and the history says on whose voorstel. It is checked once more, as things stand by then.
"""

import json
from dataclasses import replace
from typing import Any, cast

import asyncpg
import orjson
from pydantic import ValidationError

from tenants.api import voorstel_shapes as shapes
from tenants.api.problems import Refused, fault
from tenants.api.proposing import as_accepted, parameters_of
from tenants.api.routing import Answer, Asked, Route, as_bytes
from tenants.callers import grant_policy
from tenants.versions import hold_version
from tenants.voorstellen import Voorstel, decide, find_voorstel, list_voorstellen, same_person

WEAKENS = frozenset({"vraagRegisterbeleid", "maakUitzondering", "wijzigTenant"})
"""Operations that weaken the register or the certificate rule: who grants one names the article."""


async def toon_voorstellen(asked: Asked) -> Answer:
    """GET: voorstellen, newest first. The operator sees its own."""
    query = cast("shapes.VoorstellenVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_voorstellen(
            connection,
            asked.tenant_id,
            state=query.staat,
            of_operator=asked.by.role == "operator",
            before=query.voor,
            limit=query.aantal + 1,
        )
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, shapes.Voorstellen(voorstellen=[_shape(one) for one in shown], volgende=volgende))


async def toon_voorstel(asked: Asked) -> Answer:
    """GET: one voorstel."""
    async with asked.scope() as connection:
        found = await _find(connection, asked)
    return Answer(200, _shape(found), version=found.version)


async def besluit(asked: Asked) -> Answer:
    """POST: accept and do it, or refuse."""
    wanted = cast("shapes.NieuwBesluit", asked.body)
    async with asked.scope() as connection:
        found = await _held(connection, asked)
        if asked.by.role != found.accepts:
            raise Refused(403, "anderBeslist", f"Over dit voorstel beslist een {found.accepts} van de tenant.")
        if wanted.besluit == "geweigerd":
            await decide(connection, asked.tenant_id, found.number, "geweigerd", reason=wanted.reden)
            made = None
        else:
            if await same_person(connection, asked.actor, found.proposed_by):
                raise Refused(403, "zelfdePersoon", "Wie voorstelt aanvaardt niet ook: dat doet een ander.")
            _article_must_be(found, wanted)
            made = await _do(connection, asked, found)
            result = {"status": made.status, "adres": made.headers.get("Location")}
            await decide(
                connection, asked.tenant_id, found.number, "aanvaard", reason=wanted.reden, article=wanted.artikel,
                result=result,
            )  # fmt: skip
        decided = await find_voorstel(connection, asked.tenant_id, found.number)
    body = None if made is None or made.body is None else orjson.loads(as_bytes(made.body))
    shown = shapes.Besluit(voorstel=_shape(decided), antwoord=body)
    return Answer(200, shown, version=decided.version, shows_secret=made is not None and made.shows_secret)


async def trek_terug(asked: Asked) -> Answer:
    """DELETE: take back what one proposed oneself; the operator what the operator proposed."""
    async with asked.scope() as connection:
        found = await _held(connection, asked)
        if asked.by.role != "operator" and not await same_person(connection, asked.actor, found.proposed_by):
            raise Refused(403, "andersVoorstel", "Alleen wie voorstelde trekt het voorstel in.")
        await decide(connection, asked.tenant_id, found.number, "ingetrokken")
    return Answer(204, None)


async def sta_registerbeleid_toe(asked: Asked) -> Answer:
    """POST: let a machtiging leave out of the register what it says. A beheerder asks it, an auditor makes it so."""
    async with asked.scope() as connection:
        await hold_version(connection, "machtiging", asked.tenant_id, asked.number(), asked.version)
        await grant_policy(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def _find(connection: asyncpg.Connection, asked: Asked) -> Voorstel:
    return await find_voorstel(connection, asked.tenant_id, asked.number(), of_operator=asked.by.role == "operator")


async def _held(connection: asyncpg.Connection, asked: Asked) -> Voorstel:
    """The voorstel, held until the transaction ends, as long as it can be decided on."""
    await _find(connection, asked)
    await hold_version(connection, "voorstel", asked.tenant_id, asked.number(), asked.version)
    found = await _find(connection, asked)
    if found.state != "open":
        raise Refused(409, "nietMeerOpen", f"Dit voorstel is {found.state}.")
    return found


def _article_must_be(found: Voorstel, wanted: shapes.NieuwBesluit) -> None:
    # What keeps more of a register its beheerder grants, on no article.
    is_more = found.request.route == "wijzigTenant" and found.accepts == "beheerder"
    if found.request.route in WEAKENS and not is_more and wanted.artikel is None:
        words = "Wie dit toestaat noemt het artikel dat het toestaat."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("body", "/artikel", "missing", words)])


async def _do(connection: asyncpg.Connection, asked: Asked, found: Voorstel) -> Answer:
    """Do what was proposed, as who accepts. Raises Refused (409) when it cannot be done any more."""
    route, parameters = _route_of(found)
    actor = f"{asked.actor} (voorstel {found.number} van {found.proposed_by})"
    request = found.request
    try:
        body = None if route.body is None else route.body.model_validate_json(request.body or "")
        doing = as_accepted(
            replace(asked, path=parameters, query=None, body=body, version=request.version, connection=connection),
            found.accepts,
            number=asked.by.number,
            actor=actor,
        )
        return await _perform(route, doing, by_operator=_is_operator(found.proposed_by))
    except ValidationError:
        raise Refused(409, "pastNietMeer", "Dit voorstel past niet meer bij deze versie van het koppelpunt.") from None
    except Refused as refusal:
        words = f"Dit voorstel kan nu niet worden uitgevoerd: {refusal.detail}"
        raise Refused(409, "pastNietMeer", words, faults=refusal.faults) from None


async def _perform(route: Route, doing: Asked, *, by_operator: bool) -> Answer:
    from tenants.api.answering import perform, run  # noqa: PLC0415 - it makes voorstellen, and these are decided here

    # What the operator proposed is by now what a beheerder asks: where that needs another's eyes it becomes a voorstel again.
    return await perform(route, doing) if by_operator else await run(route, doing)


def _route_of(found: Voorstel) -> tuple[Route, dict[str, str]]:
    from tenants.api.routes import ROUTES  # noqa: PLC0415 - the table is made of these

    for route in ROUTES:
        if (route.name, route.method) == (found.request.route, found.request.method):
            parameters = parameters_of(route, found.request.path)
            if parameters is not None and (route.voorstelbaar or route.vier_ogen is not None):
                return route, dict(parameters)
    raise Refused(409, "pastNietMeer", "Dit voorstel past niet meer bij deze versie van het koppelpunt.")


def _is_operator(actor: str) -> bool:
    return actor.startswith("operator/") or actor == "opdrachtregel"


def _shape(one: Voorstel) -> shapes.Voorstel:
    request = one.request
    inhoud: Any = None if request.body is None else json.loads(request.body)
    return shapes.Voorstel(
        nummer=one.number,
        staat=one.state,
        aanvaarder=one.accepts,
        verzoek=shapes.Verzoek.model_validate(
            {
                "operatie": request.route,
                "methode": request.method,
                "pad": request.path,
                "inhoud": inhoud,
                "versie": request.version,
            }
        ),
        voorgesteld_door=one.proposed_by,
        voorgesteld_op=one.proposed_at,
        geldig_tot=one.valid_until,
        besloten_door=one.decided_by,
        besloten_op=one.decided_at,
        reden=one.reason,
        artikel=one.article,
        uitkomst=one.result,
    )
