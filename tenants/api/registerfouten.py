"""Routes of the faults of a tenant's register: what was found, what was answered, and the auditor's word about that."""

from typing import Final, Literal, cast

import asyncpg
from pydantic import AwareDatetime, Field

from tenants.admins import Role
from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape
from tenants.faults import NotFound
from tenants.register_faults import decide_answer, list_answers, list_faults

_AUDITOR: Final[frozenset[Role]] = frozenset({"auditor"})


class Registerfout(Shape):
    """What the sealer found: code and place as in docs/register-format.md. Unanswered while `beantwoordOp` is absent."""

    nummer: int
    gevonden_op: AwareDatetime
    code: str
    plaats: str
    houdt_op: bool = Field(description="Tot het antwoord wordt niets getekend en niets vernietigd.")
    beantwoord_op: AwareDatetime | None
    beantwoord_door: str | None
    antwoord: str | None


class Registerfouten(Shape):
    """A page, newest first; `volgende` is the number to go on from."""

    registerfouten: list[Registerfout]
    volgende: int | None


class RegisterfoutenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen fouten met een lager nummer.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)
    open: bool = Field(default=False, description="Alleen fouten waarop niemand heeft geantwoord.")


class Foutantwoord(Shape):
    """An answer to the faults that stood then; nothing is resolved before the auditor consents."""

    nummer: int
    op: AwareDatetime
    door: str
    toelichting: str
    registerfouten: list[int]
    toestand: Literal["open", "ingestemd", "geweigerd"]
    besloten_op: AwareDatetime | None
    besloten_door: str | None
    besluit_reden: str | None


class Foutantwoorden(Shape):
    """A page, newest first; `volgende` is the number to go on from."""

    antwoorden: list[Foutantwoord]
    volgende: int | None


class FoutantwoordenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen antwoorden met een lager nummer.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)


class NieuwFoutbesluit(Shape):
    """Consent: the faults are resolved and signing goes on. Or refuse: everything stands still as it did."""

    besluit: Literal["ingestemd", "geweigerd"]
    reden: Reden


class Foutbesluit(Shape):
    beantwoorde_fouten: int


async def toon_fouten(asked: Asked) -> Answer:
    """GET: faults, answered or not."""
    query = cast("RegisterfoutenVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_faults(
            connection, asked.tenant_id, before=query.voor, limit=query.aantal + 1, only_open=query.open
        )
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    fouten = [
        Registerfout(
            nummer=one.number, gevonden_op=one.found_at, code=one.code, plaats=one.place, houdt_op=one.halts,
            beantwoord_op=one.resolved_at, beantwoord_door=one.resolved_by, antwoord=one.reason,
        )
        for one in shown
    ]  # fmt: skip
    return Answer(200, Registerfouten(registerfouten=fouten, volgende=volgende))


async def toon_antwoorden(asked: Asked) -> Answer:
    """GET: answers, with what the auditor said of them."""
    query = cast("FoutantwoordenVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_answers(connection, asked.tenant_id, before=query.voor, limit=query.aantal + 1)
    shown = found[: query.aantal]
    volgende = shown[-1].antwoord_id if len(found) > len(shown) else None
    antwoorden = [
        Foutantwoord(
            nummer=one.antwoord_id, op=one.at, door=one.actor, toelichting=one.reason, registerfouten=list(one.faults),
            toestand=one.state, besloten_op=one.decided_at, besloten_door=one.decided_by,
            besluit_reden=one.decision_reason,
        )
        for one in shown
    ]  # fmt: skip
    return Answer(200, Foutantwoorden(antwoorden=antwoorden, volgende=volgende))


async def besluit_antwoord(asked: Asked) -> Answer:
    """POST: consent to an answer, or refuse it."""
    wanted = cast("NieuwFoutbesluit", asked.body)
    async with asked.scope() as connection:
        try:
            resolved = await decide_answer(connection, asked.number(), wanted.besluit, wanted.reden)
        except NotFound:
            raise Refused(404, "nietGevonden", "Er wacht geen antwoord met dit nummer.") from None
        except asyncpg.InsufficientPrivilegeError:
            raise Refused(409, "tweedePaarOgen", "Een ander dan wie antwoordde stemt in.") from None
    return Answer(201, Foutbesluit(beantwoorde_fouten=resolved), {"Location": "/v1/registerfouten/antwoorden"})


REGISTERFOUT_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/registerfouten",
        name="registerfouten",
        summary="Wat de verzegelaar mis vond met het eigen register, en wie daarop antwoordde.",
        roles=_AUDITOR,
        endpoint=toon_fouten,
        answers={200: Registerfouten},
        query=RegisterfoutenVraag,
    ),
    Route(
        method="GET",
        path="/v1/registerfouten/antwoorden",
        name="foutantwoorden",
        summary="Antwoorden op fouten in het register, en wat de auditor ervan zei.",
        roles=_AUDITOR,
        endpoint=toon_antwoorden,
        answers={200: Foutantwoorden},
        query=FoutantwoordenVraag,
    ),
    Route(
        method="POST",
        path="/v1/registerfouten/antwoorden/{nummer}/besluiten",
        name="besluitFoutantwoord",
        summary="Stem in met een antwoord, dan gaat het tekenen weer door; of weiger het.",
        roles=_AUDITOR,
        endpoint=besluit_antwoord,
        answers={201: Foutbesluit},
        refusals=frozenset({404, 409}),
        body=NieuwFoutbesluit,
        idempotent=True,
    ),
)
