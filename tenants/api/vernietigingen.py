"""Routes of destruction: proofs, what would go, stops, and the tenant's word at the end of a contract. For the auditor."""

from datetime import UTC, datetime, time, timedelta
from typing import Final, cast

import asyncpg

from tenants.admins import Role
from tenants.api import vernietigingen_shapes as shapes
from tenants.api.inzage import subject_of
from tenants.api.problems import Refused
from tenants.api.register import keys_must_open
from tenants.api.routing import Answer, Asked, Route
from tenants.faults import InputRefused, NotFound
from tenants.retention.contract import EndStep, list_steps, note_step
from tenants.retention.overview import Vernietiging, list_own_planned, list_vernietigingen
from tenants.retention.stops import NewStop, Stop, list_stops, person_of_stop, set_stop, take_step

_AUDITOR: Final[frozenset[Role]] = frozenset({"auditor"})
_OWN: Final[frozenset[Role]] = frozenset({"auditor", "beheerder"})
_MOST_YEARS: Final = 200


async def toon_vernietigingen(asked: Asked) -> Answer:
    """GET: destructions with their proofs, newest first."""
    query = cast("shapes.VernietigingenVraag", asked.query)
    async with asked.rooms.inzage.acquire() as connection:
        found = await list_vernietigingen(
            connection, asked.tenant_id, before=query.voor, limit=query.aantal + 1, actor=asked.by.actor
        )
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, shapes.Vernietigingen(vernietigingen=[_vernietiging(one) for one in shown], volgende=volgende))


async def toon_voorgenomen(asked: Asked) -> Answer:
    """GET: the dry run."""
    query, today = cast("shapes.VoorgenomenVraag", asked.query), datetime.now(UTC).date()
    until = query.tot or today + timedelta(days=365)
    if until.year > today.year + _MOST_YEARS:
        raise Refused(400, "ongeldigVerzoek", f"Hoogstens {_MOST_YEARS} jaar vooruit.")
    horizon = datetime.combine(until + timedelta(days=1), time(), UTC)
    async with asked.rooms.inzage.acquire() as connection:
        found = await list_own_planned(connection, asked.tenant_id, horizon, actor=asked.by.actor)
    planned = [
        shapes.Voorgenomen(
            soort=one.soort, maand=one.maand, vanaf=one.due_at, rijen=one.rows, openingen=one.openings,
            afsluitingen=one.closings, personen=one.persons, vastgehouden=one.held,
        )
        for one in found
    ]  # fmt: skip
    return Answer(200, shapes.VoorgenomenVernietigingen(tot=until, voorgenomen=planned))


async def toon_stops(asked: Asked) -> Answer:
    """GET: every stop that was ever set."""
    async with asked.rooms.inzage.acquire() as connection:
        found = await list_stops(connection, asked.tenant_id, actor=asked.by.actor)
    return Answer(200, shapes.Vernietigingsstops(vernietigingsstops=[_stop(one) for one in found]))


async def zet_stop(asked: Asked) -> Answer:
    """POST: set a stop. After the answer nothing more goes that it holds."""
    wanted = cast("shapes.NieuweVernietigingsstop", asked.body)
    period = None if wanted.periode is None else (wanted.periode.van, wanted.periode.tot)
    actor, destroyed = asked.by.actor, list[int]()
    async with asked.rooms.inzage.acquire() as connection, keys_must_open():
        subjects = None
        if wanted.about_person:
            subject = subject_of(wanted.burgerservicenummer, wanted.a_nummer)
            try:
                subjects, period, destroyed = await person_of_stop(
                    connection, asked.rooms.register, asked.tenant_id, subject, period, actor=actor
                )
            except InputRefused as refused:
                raise Refused(409, "onmogelijkMoment", str(refused)) from None
            if not subjects:
                raise Refused(
                    409, "geenSleutel", "Van geen jaar van deze periode is er een sleutel om iemand te vinden."
                )
        number = await set_stop(connection, asked.tenant_id, NewStop(wanted.reden, period, subjects), actor=actor)
    return Answer(
        201,
        shapes.GezetteVernietigingsstop(nummer=number, vernietigde_jaren=destroyed),
        {"Location": "/v1/vernietigingsstops"},
    )


async def zet_stop_stap(asked: Asked) -> Answer:
    """POST: ask that a stop be lifted; as another, lift it or refuse."""
    wanted = cast("shapes.NieuweStopStap", asked.body)
    async with asked.of_register() as connection:
        try:
            await take_step(
                connection, asked.tenant_id, asked.number(), wanted.soort, wanted.reden, actor=asked.by.actor
            )
        except NotFound:
            raise Refused(404, "nietGevonden", "Deze vernietigingsstop is er niet.") from None
        except asyncpg.InsufficientPrivilegeError:
            raise Refused(409, "tweedePaarOgen", "Een ander dan wie erom vroeg moet de stop opheffen.") from None
        except asyncpg.ObjectNotInPrerequisiteStateError:
            raise Refused(409, "stapVolgtNiet", "Deze stap volgt niet op de vorige van deze stop.") from None
    return Answer(204, None)


async def _done(_: Asked) -> Answer:
    return Answer(204, None)


async def toon_contracteinde(asked: Asked) -> Answer:
    """GET: the steps of the end of the contract so far."""
    async with asked.of_register() as connection:
        found = await list_steps(connection, asked.tenant_id, actor=asked.by.actor)
    return Answer(200, shapes.Contracteinde(stappen=[_end_step(one) for one in found]))


async def besluit_contracteinde(asked: Asked) -> Answer:
    """POST: an auditor confirms that everything may be destroyed, another of the tenant confirms too, or it is withdrawn."""
    wanted = cast("shapes.ContracteindeBevestiging", asked.body)
    if asked.by.role != "auditor" and wanted.besluit != "meebevestigd":
        raise Refused(403, "nietBevoegd", "Alleen de auditor bevestigt als eerste, of trekt in.")
    digest = None if wanted.archief is None else bytes.fromhex(wanted.archief)
    async with asked.of_register() as connection:
        try:
            await note_step(
                connection, asked.tenant_id, wanted.besluit, actor=asked.by.actor, digest=digest, note=wanted.reden
            )
        except InputRefused:
            raise Refused(
                409, "stapVolgtNiet",
                "Bevestigen kan na de ontvangst van het archief, en alleen van dat archief; meebevestigen daarna, door een "
                "ander van de tenant zelf. Intrekken kan zolang er niets vernietigd wordt.",
            ) from None  # fmt: skip
        found = await list_steps(connection, asked.tenant_id, actor=asked.by.actor)
    return Answer(
        201, shapes.Contracteinde(stappen=[_end_step(one) for one in found]), {"Location": "/v1/contracteinde"}
    )


def _vernietiging(one: Vernietiging) -> shapes.Vernietiging:
    toestand: shapes.Toestand = "bezig" if one.finished_at is None else "vernietigd_buiten_back-ups"
    return shapes.Vernietiging(
        nummer=one.number, soort=cast("shapes.Soort", one.soort),
        toestand="vernietigd" if one.definitief_at is not None else toestand,
        grond="contracteinde" if one.ground == "contracteinde" else "bewaartermijn",
        bewaartermijn_jaren=one.retention_years, van=one.period_from, tot=one.period_until, begonnen_op=one.begun_at,
        afgerond_op=one.finished_at, backups_tot=one.backups_until, rijen=one.rows, openingen=one.openings,
        afsluitingen=one.closings, personen=one.persons, gegevenssleutels=one.data_keys, sleutel=one.public_key_sha256,
        bladeren=one.leaves, wijzigingen=one.wijzigingen,
    )  # fmt: skip


def _stop(one: Stop) -> shapes.Vernietigingsstop:
    steps = [shapes.StopStap(op=step.at, door=step.actor, soort=step.kind, reden=step.reason) for step in one.steps]
    return shapes.Vernietigingsstop(
        nummer=one.stop_id, op=one.at, door=one.actor, reden=one.reason, van=one.began, tot=one.until,
        over_persoon=one.about_person, staat=one.stands, stappen=steps,
    )  # fmt: skip


def _end_step(one: EndStep) -> shapes.ContracteindeStap:
    return shapes.ContracteindeStap(
        op=one.at, door=one.actor, soort=one.kind, archief=None if one.digest is None else one.digest.hex(),
        toelichting=one.note,
    )  # fmt: skip


VERNIETIGING_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/vernietigingen",
        name="vernietigingen",
        summary="Wat vernietigd is, met bewijs en met de dag waarop geen back-up het meer heeft.",
        roles=_AUDITOR,
        endpoint=toon_vernietigingen,
        answers={200: shapes.Vernietigingen},
        query=shapes.VernietigingenVraag,
    ),
    Route(
        method="GET",
        path="/v1/vernietigingen/voorgenomen",
        name="voorgenomenVernietigingen",
        summary="Wat wanneer vernietigd wordt, per maand geteld, en wat daarvan wordt vastgehouden.",
        roles=_AUDITOR,
        endpoint=toon_voorgenomen,
        answers={200: shapes.VoorgenomenVernietigingen},
        query=shapes.VoorgenomenVraag,
    ),
    Route(
        method="GET",
        path="/v1/vernietigingsstops",
        name="vernietigingsstops",
        summary="Alle vernietigingsstops, ook die zijn opgeheven.",
        roles=_AUDITOR,
        endpoint=toon_stops,
        answers={200: shapes.Vernietigingsstops},
    ),
    Route(
        method="POST",
        path="/v1/vernietigingsstops",
        name="zetVernietigingsstop",
        summary="Houd vast: alles, een periode, of de bevragingen over een persoon. Na het antwoord gaat er niets meer weg.",
        roles=_AUDITOR,
        endpoint=zet_stop,
        answers={201: shapes.GezetteVernietigingsstop},
        refusals=frozenset({409}),
        body=shapes.NieuweVernietigingsstop,
        herhaalt_niet="Een stop geldt met het antwoord, en staat in een transactie van zichzelf. Kijk eerst of zij er staat.",
    ),
    Route(
        method="POST",
        path="/v1/vernietigingsstops/{nummer}/stappen",
        name="zetVernietigingsstopStap",
        summary="Vraag om opheffing; een ander heft op of weigert.",
        roles=_AUDITOR,
        endpoint=zet_stop_stap,
        answers={204: None},
        refusals=frozenset({404, 409}),
        body=shapes.NieuweStopStap,
        idempotent=True,
        anew=_done,
    ),
    Route(
        method="GET",
        path="/v1/contracteinde",
        name="contracteinde",
        summary="De stappen van het einde van het contract.",
        roles=_OWN,
        endpoint=toon_contracteinde,
        answers={200: shapes.Contracteinde},
    ),
    Route(
        method="POST",
        path="/v1/contracteinde/besluiten",
        name="besluitContracteinde",
        summary="Bevestig dat alles vernietigd mag worden: een auditor, en een ander van de tenant zelf. Of trek in.",
        roles=_OWN,
        endpoint=besluit_contracteinde,
        answers={201: shapes.Contracteinde},
        refusals=frozenset({409}),
        body=shapes.ContracteindeBevestiging,
        idempotent=True,
        anew=toon_contracteinde,
    ),
)
