"""Routes of requests for inzage, and of the list of recipients after a correction. For the tenant's own auditor.

A BSN has no place in a URL: it comes in the body of a POST, is sealed, and comes back only in the body of one request.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, cast

import asyncpg

from tenants.api import inzage_shapes as shapes
from tenants.api.heavy import heavy_read
from tenants.api.inzage_answers import correctielijst, file_of, overzicht, stap_shape, verzoek_shape, verzoek_with_whom
from tenants.api.problems import Refused
from tenants.api.register import keys_must_open
from tenants.api.routing import Answer, Asked
from tenants.faults import InputRefused, NotFound
from tenants.inzage.brief import write_letter
from tenants.inzage.brieftekst import Briefhoofd
from tenants.inzage.correctie import in_criteria, recipients_as_csv, recipients_of
from tenants.inzage.gathering import TooMuch, gather
from tenants.inzage.rapport import Rapport, make_rapport
from tenants.inzage.tabellen import rapport_as_csv
from tenants.inzage.verzoek import (
    AMSTERDAM,
    Betrokkenen,
    Iemand,
    Inzageverzoek,
    OutOfOrder,
    Stapsoort,
    Vertegenwoordiger,
    note_of_outcome,
    whole_period,
)
from tenants.inzage.verzoeken import count_late, list_verzoeken, lock_verzoek, make_verzoek, note_stap, read_verzoek
from tenants.model import Bsn
from tenants.recording import Period, Reading
from tenants.register_presets import years_kept
from tenants.scope import tenant_scope
from tenants.subjects import ANummer, Subject

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


async def maak_inzageverzoek(asked: Asked) -> Answer:
    """POST: record a request that came in. Its four weeks begin on the day that it names."""
    wanted, now = cast("shapes.NieuwInzageverzoek", asked.body), datetime.now(UTC)
    if wanted.ontvangen_op > now.astimezone(AMSTERDAM).date():
        raise Refused(409, "onmogelijkMoment", "De datum van ontvangst ligt in de toekomst.")
    whom, acting = wanted.betrokkene, wanted.vertegenwoordiger
    betrokkenen = Betrokkenen(
        subject_of(whom.burgerservicenummer, whom.a_nummer),
        Iemand(whom.naam, tuple(whom.adres)),
        None if acting is None else Vertegenwoordiger(Iemand(acting.naam, tuple(acting.adres)), acting.hoedanigheid),
    )
    period = whole_period(wanted.ontvangen_op) if wanted.periode is None else (wanted.periode.van, wanted.periode.tot)
    async with _in_scope(asked) as connection:
        try:
            number = await make_verzoek(
                connection,
                asked.tenant_id,
                betrokkenen,
                received_on=wanted.ontvangen_op,
                period=period,
                actor=asked.by.actor,
            )
        except InputRefused:
            raise Refused(
                409, "geenJaarsleutel", "De tenant heeft geen sleutel van dit jaar om het verzoek mee te verzegelen."
            ) from None
        made = await read_verzoek(connection, asked.rooms.register, asked.tenant_id, number)
    return Answer(201, verzoek_with_whom(made, now), {"Location": f"/v1/inzageverzoeken/{number}"})


async def toon_inzageverzoeken(asked: Asked) -> Answer:
    """GET: requests with their term, the most pressing first; whom they are about is not opened."""
    query, now = cast("shapes.InzageverzoekenVraag", asked.query), datetime.now(UTC)
    async with _in_scope(asked) as connection:
        found = await list_verzoeken(
            connection, asked.tenant_id, after=query.voor, limit=query.aantal + 1, only_open=query.open
        )
        late = await count_late(connection, asked.tenant_id, now.astimezone(AMSTERDAM).date())
    shown = found[: query.aantal]
    return Answer(
        200,
        shapes.Inzageverzoeken(
            inzageverzoeken=[verzoek_shape(one, now) for one in shown],
            te_laat=late,
            volgende=shown[-1].number if len(found) > len(shown) else None,
        ),
    )


async def toon_inzageverzoek(asked: Asked) -> Answer:
    """GET: one request, opened."""
    async with _in_scope(asked) as connection:
        found = await _read(connection, asked)
    return Answer(200, verzoek_with_whom(found, datetime.now(UTC)))


async def zet_stap(asked: Asked) -> Answer:
    """POST: record what was done. A step that cannot be taken now is refused, and says what must come first."""
    wanted, now = cast("shapes.NieuweStap", asked.body), datetime.now(UTC)
    async with _in_scope(asked) as connection:
        await lock_verzoek(connection, asked.tenant_id, number_in(asked))
        _must_take(await _read(connection, asked), wanted.soort, wanted.op, now)
        await note_stap(
            connection,
            asked.tenant_id,
            number_in(asked),
            wanted.soort,
            actor=asked.by.actor,
            done_at=wanted.op,
            method=wanted.wijze,
            by_whom=wanted.door,
            note=wanted.toelichting,
        )
        found = await _read(connection, asked)
    return Answer(201, stap_shape(found.stappen[-1]), {"Location": f"/v1/inzageverzoeken/{number_in(asked)}"})


async def toon_stap(asked: Asked) -> Answer:
    """For a step that is sent again: the last one of its kind."""
    wanted = cast("shapes.NieuweStap", asked.body)
    async with _in_scope(asked) as connection:
        found = await _read(connection, asked)
    taken = [one for one in found.stappen if one.kind == wanted.soort]
    return Answer(201, stap_shape(taken[-1]))


async def maak_uitkomst(asked: Asked) -> Answer:
    """POST: read the register for a request and tell what was disclosed, as JSON, CSV or a letter."""
    wanted, now = cast("shapes.UitkomstVraag", asked.body), datetime.now(UTC)
    async with _in_scope(asked) as connection:
        verzoek = await _read(connection, asked)
        _must_take(verzoek, "uitkomst", now, now)
        tenant = await connection.fetchrow(
            "SELECT name, kind, retention_years FROM registry.tenant WHERE tenant_id = $1", asked.tenant_id
        )
    betrokkenen = verzoek.betrokkenen
    if betrokkenen is None:
        raise Refused(409, "sleutelVernietigd", "Over wie dit verzoek gaat is vernietigd; er is niets meer te zoeken.")
    reading = Reading(
        kind="inzageverzoek", reason=wanted.reden, contents=True, inzageverzoek_id=verzoek.number,
        criteria={"voor": wanted.voor, "vorm": wanted.vorm},
    )  # fmt: skip
    async with heavy_read(asked) as connection, keys_must_open(), not_too_much():
        gathered = await gather(
            connection, asked.rooms.register, asked.tenant_id, betrokkenen.subject, verzoek.period, reading,
            actor=asked.by.actor,
        )  # fmt: skip
        # Recorded before anything is told: what left this process was an outcome, whatever became of it. While the register was
        # read somebody may have closed the request; then nothing is told any more.
        async with tenant_scope(connection, asked.tenant_id, actor=asked.by.actor):
            await lock_verzoek(connection, asked.tenant_id, verzoek.number)
            _must_take(await _read(connection, asked), "uitkomst", now, datetime.now(UTC))
            await note_stap(
                connection, asked.tenant_id, verzoek.number, "uitkomst", actor=asked.by.actor, done_at=now,
                note=note_of_outcome(wanted.vorm, wanted.voor), reading=gathered.reading,
            )  # fmt: skip
    rapport = make_rapport(
        gathered,
        lezer=wanted.voor,
        organisatie=tenant["name"],
        kenmerk=f"INZ-{verzoek.number}",
        wet=verzoek.law,
        ontvangen_op=verzoek.received_on,
        gemaakt_op=now,
        periode=verzoek.period,
        bewaartermijn=years_kept(tenant["kind"], tenant["retention_years"]),
    )
    return await _told(rapport, wanted, betrokkenen)


async def maak_correctielijst(asked: Asked) -> Answer:
    """POST: the recipients of a person's rubrieken (Wet BRP art. 3.23), refused inzage or not: they must be told."""
    wanted, today = cast("shapes.CorrectieVraag", asked.body), datetime.now(AMSTERDAM).date()
    period: Period = whole_period(today) if wanted.periode is None else (wanted.periode.van, wanted.periode.tot)
    reading = Reading(kind="correctielijst", reason=wanted.reden, contents=True, criteria=in_criteria(wanted.rubrieken))
    async with heavy_read(asked) as connection, keys_must_open(), not_too_much():
        gathered = await gather(
            connection,
            asked.rooms.register,
            asked.tenant_id,
            subject_of(wanted.burgerservicenummer, wanted.a_nummer),
            period,
            reading,
            actor=asked.by.actor,
        )
    found = recipients_of(gathered, wanted.rubrieken)
    if wanted.vorm == "csv":
        return file_of(recipients_as_csv(found, gathered), "text/csv", f"correctielijst-{gathered.reading}.csv")
    return Answer(200, correctielijst(gathered, wanted.rubrieken, found))


@asynccontextmanager
async def not_too_much() -> AsyncIterator[None]:
    """A report that would not be whole is refused, not cut."""
    try:
        yield
    except TooMuch as error:
        raise Refused(
            409, "teVeelBevragingen", f"Dit zijn meer dan {error.most} bevragingen; vraag een kortere periode."
        ) from None


def subject_of(burgerservicenummer: str | None, a_nummer: str | None) -> Subject:
    """The person that a shape names; that one number is there, the shape has seen to."""
    return Subject(
        None if burgerservicenummer is None else Bsn(burgerservicenummer),
        None if a_nummer is None else ANummer(a_nummer),
    )


def number_in(asked: Asked) -> int:
    """The number in the path. What is no number is not there."""
    text = asked.path["nummer"]
    if _NUMBER.fullmatch(text) is None:
        raise Refused(404, "onbekend", "Dit nummer is er niet.")
    return int(text)


@asynccontextmanager
async def _in_scope(asked: Asked) -> AsyncIterator[asyncpg.Connection]:
    if asked.connection is not None:
        async with tenant_scope(asked.connection, asked.tenant_id, actor=asked.by.actor):
            yield asked.connection
        return
    async with (
        asked.rooms.inzage.acquire() as connection,
        tenant_scope(connection, asked.tenant_id, actor=asked.by.actor),
    ):
        yield connection


async def _read(connection: asyncpg.Connection, asked: Asked) -> Inzageverzoek:
    async with keys_must_open():
        try:
            return await read_verzoek(connection, asked.rooms.register, asked.tenant_id, number_in(asked))
        except NotFound:
            raise Refused(404, "onbekend", "Dit nummer is er niet.") from None


def _must_take(verzoek: Inzageverzoek, kind: Stapsoort, done_at: datetime, now: datetime) -> None:
    try:
        verzoek.must_take(kind, done_at, now)
    except OutOfOrder as error:
        raise Refused(409, error.code, str(error)) from None


async def _told(rapport: Rapport, wanted: shapes.UitkomstVraag, betrokkenen: Betrokkenen) -> Answer:
    name = f"inzage-{rapport.kenmerk.lower()}"
    if wanted.vorm == "csv":
        return file_of(rapport_as_csv(rapport), "text/csv", f"{name}.csv")
    if wanted.brief is None:
        return Answer(200, overzicht(rapport))
    hoofd = Briefhoofd(tuple(wanted.brief.afzender), wanted.brief.plaats, tuple(wanted.brief.ondertekening))
    return file_of(await write_letter(rapport, betrokkenen, hoofd), "application/pdf", f"{name}.pdf")
