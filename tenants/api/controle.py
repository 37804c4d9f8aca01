"""Routes of what an auditor checks: samples, unusual use, and the reach of a data breach."""

from typing import cast

from tenants.api import controle_shapes as shapes
from tenants.api.controle_answers import datalek_counted, datalek_measured, gebruiksrapport, steekproef_shape
from tenants.api.heavy import heavy_read
from tenants.api.inzage import not_too_much, number_in
from tenants.api.inzage_answers import file_of
from tenants.api.problems import Refused
from tenants.api.register import filter_of, keys_must_open, regel_shape
from tenants.api.routing import Answer, Asked
from tenants.faults import InputRefused, NotFound
from tenants.inzage import datalek_rows, gebruik_rows
from tenants.inzage.datalek import reached_as_csv
from tenants.inzage.gebruik import Maat, Werktijd
from tenants.inzage.steekproeven import Steekproef, draw, judge, list_steekproeven, read_steekproef
from tenants.reading import read_calls


async def trek_steekproef(asked: Asked) -> Answer:
    """POST: draw a sample."""
    wanted = cast("shapes.NieuweSteekproef", asked.body)
    async with heavy_read(asked) as connection:
        try:
            number = await draw(
                connection,
                asked.tenant_id,
                (wanted.periode.van, wanted.periode.tot),
                wanted.aantal,
                actor=asked.by.actor,
                reason=wanted.reden,
            )
        except InputRefused:
            raise Refused(409, "geenBevragingen", "In deze periode zijn er geen bevragingen.") from None
        made = await read_steekproef(connection, asked.tenant_id, number, actor=asked.by.actor)
    return Answer(201, steekproef_shape(made), {"Location": f"/v1/steekproeven/{number}"})


async def toon_steekproeven(asked: Asked) -> Answer:
    """GET: samples, newest first."""
    query = cast("shapes.SteekproevenVraag", asked.query)
    async with asked.rooms.inzage.acquire() as connection:
        found = await list_steekproeven(
            connection, asked.tenant_id, before=query.voor, limit=query.aantal + 1, actor=asked.by.actor
        )
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, shapes.Steekproeven(steekproeven=[steekproef_shape(one) for one in shown], volgende=volgende))


async def toon_steekproef(asked: Asked) -> Answer:
    """GET: one sample with its verdicts."""
    return Answer(200, steekproef_shape(await _sample(asked)))


async def lees_steekproef(asked: Asked) -> Answer:
    """POST: the calls of a sample with what they hold; the reading is recorded with its reason."""
    wanted = cast("shapes.LezingVraag", asked.body)
    sample = await _sample(asked)
    async with heavy_read(asked) as connection, keys_must_open():
        found = await read_calls(
            connection, asked.rooms.register, asked.tenant_id, sample.ids, actor=asked.by.actor, reason=wanted.reden,
            kind="steekproef",
        )  # fmt: skip
    return Answer(200, shapes.Regels(protocolregels=[regel_shape(one) for one in found]))


async def oordeel(asked: Asked) -> Answer:
    """POST: record a verdict on one call of a sample."""
    wanted = cast("shapes.NieuwOordeel", asked.body)
    async with asked.of_register() as connection:
        try:
            await judge(
                connection,
                asked.tenant_id,
                number_in(asked),
                wanted.protocolregel,
                wanted.oordeel,
                note=wanted.toelichting,
                actor=asked.by.actor,
            )
        except NotFound:
            raise Refused(404, "onbekend", "Deze steekproef is er niet, of heeft deze protocolregel niet.") from None
    return Answer(201, steekproef_shape(await _sample(asked)), {"Location": f"/v1/steekproeven/{number_in(asked)}"})


async def maak_gebruiksrapport(asked: Asked) -> Answer:
    """POST: unusual use in a period."""
    wanted = cast("shapes.GebruiksrapportVraag", asked.body)
    maat = Maat(
        Werktijd(wanted.werktijd.van, wanted.werktijd.tot, frozenset(wanted.werktijd.dagen)),
        wanted.buiten_werktijd_vanaf,
        wanted.volume_factor,
        wanted.volume_vanaf,
        wanted.gebruikers_per_persoon,
    )
    async with heavy_read(asked) as connection, keys_must_open(), not_too_much():
        made = await gebruik_rows.begin(
            connection,
            asked.rooms.register,
            asked.tenant_id,
            [*wanted.collegas, *wanted.publieke_figuren],
            (wanted.periode.van, wanted.periode.tot),
            actor=asked.by.actor,
            reason=wanted.reden,
        )
        found = await gebruik_rows.find(made, maat)
    return Answer(200, gebruiksrapport(made, found, wanted))


async def maak_datalekrapport(asked: Asked) -> Answer:
    """POST: every person reached by a taaksysteem, user or certificate in a period; first how many."""
    wanted = cast("shapes.DatalekVraag", asked.body)
    bereik = datalek_rows.Bereik(
        (wanted.periode.van, wanted.periode.tot), filter_of(wanted.taaksysteem, wanted.certificaat), wanted.gebruiker
    )
    async with heavy_read(asked) as connection, keys_must_open(), not_too_much():
        made = await datalek_rows.begin(
            connection,
            asked.rooms.register,
            asked.tenant_id,
            bereik,
            contents=wanted.vorm != "aantal",
            actor=asked.by.actor,
            reason=wanted.reden,
        )
        if wanted.vorm == "aantal":
            return Answer(200, datalek_counted(made, await datalek_rows.count(made), wanted))
        omvang = await datalek_rows.measure(made)
    if wanted.vorm == "csv":
        return file_of(reached_as_csv(omvang, made.destroyed), "text/csv", f"datalek-{made.reading}.csv")
    return Answer(200, datalek_measured(made, omvang, wanted))


async def _sample(asked: Asked) -> Steekproef:
    async with asked.of_register() as connection:
        try:
            return await read_steekproef(connection, asked.tenant_id, number_in(asked), actor=asked.by.actor)
        except NotFound:
            raise Refused(404, "onbekend", "Dit nummer is er niet.") from None
