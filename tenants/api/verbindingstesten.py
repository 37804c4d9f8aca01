"""Routes of verbindingstesten and of what RvIG says of an aansluiting. Nothing in them is about a person.

A test is asked for here and done by a gateway; its steps can be read as they come, one JSON object a line.
"""

from collections.abc import AsyncIterator
from typing import Any, Final, cast

from tenants.api.following import NDJSON, Pace, Seen
from tenants.api.problems import Refused
from tenants.api.resources import BEHEERDER, CHANGERS, READERS
from tenants.api.routing import Answer, Asked, Route
from tenants.api.verbinding_shapes import (
    NieuweVerbindingstest,
    Stand,
    Standen,
    Verbindingsstap,
    Verbindingstest,
    Verbindingstesten,
    VerbindingstestenVraag,
)
from tenants.api.watching import TOO_MANY
from tenants.rvig_stand import find_stand, lift_stand
from tenants.scope import tenant_scope
from tenants.verbindingstesten import (
    ENDED,
    StepSeen,
    TestSeen,
    TestUnderway,
    TooManyTests,
    Wish,
    ask_test,
    find_test,
    list_steps,
    list_tests,
)


async def vraag_verbindingstest(asked: Asked) -> Answer:
    """POST: ask for a test. A gateway takes it at once; the answer does not wait for it."""
    wanted = cast("NieuweVerbindingstest", asked.body)
    wish = Wish(asked.number(), wanted.certificaat, wanted.credential, tuple(wanted.apis))
    return await start_test(asked, wish)


async def start_test(asked: Asked, wish: Wish) -> Answer:
    """Ask, and tell where it can be followed."""
    try:
        async with asked.scope() as connection:
            number = await ask_test(connection, asked.tenant_id, wish, asked_by=asked.actor)
            found = await find_test(connection, asked.tenant_id, wish.aansluiting_id, number)
    except TestUnderway:
        raise Refused(
            409, "testLoopt", "Er loopt al een verbindingstest over deze aansluiting; wacht tot die klaar is."
        ) from None
    except TooManyTests:
        raise Refused(
            409, "teVeelTests", "Over deze aansluiting zijn dit uur al te veel tests gevraagd; RvIG is geen proefbank."
        ) from None
    location = f"/v1/aansluitingen/{wish.aansluiting_id}/verbindingstesten/{number}"
    return Answer(202, _shape(found, []), {"Location": location})


async def toon_verbindingstesten(asked: Asked) -> Answer:
    """GET: the tests of an aansluiting, newest first."""
    query = cast("VerbindingstestenVraag", asked.query)
    async with asked.scope() as connection:
        await _must_exist(connection, asked)
        found = await list_tests(connection, asked.tenant_id, asked.number(), before=query.voor, limit=query.aantal + 1)
    shown = found[: query.aantal]
    volgende = shown[-1].verbindingstest_id if len(found) > len(shown) else None
    return Answer(200, Verbindingstesten(verbindingstesten=[_shape(one, []) for one in shown], volgende=volgende))


async def toon_verbindingstest(asked: Asked) -> Answer:
    """GET: one test, with its steps so far."""
    async with asked.scope() as connection:
        found = await find_test(connection, asked.tenant_id, asked.number(), asked.number("test"))
        steps = await list_steps(connection, asked.tenant_id, found.verbindingstest_id)
    return Answer(200, _shape(found, steps))


async def volg_verbindingstest(asked: Asked) -> Answer:
    """GET: the steps as they come, a JSON object a line, and at the end the test itself; between them how it stands."""
    async with asked.scope() as connection:
        await find_test(connection, asked.tenant_id, asked.number(), asked.number("test"))
    if asked.rooms.watching.is_full(asked.tenant_id):
        raise Refused(409, TOO_MANY["code"], TOO_MANY["detail"])
    return Answer(200, None, media_type=NDJSON, lines=_follow(asked, asked.number(), asked.number("test")))


async def toon_standen(asked: Asked) -> Answer:
    """GET: whether RvIG has shut the aansluiting out."""
    async with asked.scope() as connection:
        await _must_exist(connection, asked)
        found = await find_stand(connection, asked.tenant_id, asked.number())
    if found is None:
        return Answer(200, Standen(standen=[]))
    stand = Stand(
        soort=cast("Any", found.kind), plaats=cast("Any", found.place), status=found.status, code=found.code,
        credential=found.credential_id, sinds=found.seen_at, laatst=found.last_at, keren=found.times,
        volgende_poging=found.probe_at,
    )  # fmt: skip
    return Answer(200, Standen(standen=[stand]))


async def hef_stand_op(asked: Asked) -> Answer:
    """DELETE: the tenant heard from RvIG that it may ask again; the next call goes."""
    async with asked.scope() as connection:
        await lift_stand(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def _must_exist(connection: Any, asked: Asked) -> None:
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.aansluiting WHERE tenant_id = $1 AND aansluiting_id = $2)",
        asked.tenant_id, asked.number(),
    ):  # fmt: skip
        raise Refused(404, "nietGevonden", "Deze aansluiting bestaat hier niet.")


def _follow(asked: Asked, aansluiting: int, number: int) -> AsyncIterator[bytes]:
    async def look(known: int, gives_up: bool) -> Seen:
        """No connection is held between two looks, so that those who watch take none from those who work."""
        async with (
            asked.rooms.registry.acquire() as connection,
            tenant_scope(connection, asked.tenant_id, actor=asked.actor),
        ):
            # First how it stands, then its steps: the last one was written before it ended.
            found = await find_test(connection, asked.tenant_id, aansluiting, number, gives_up=gives_up)
            # Steps are numbered from one on, without gaps.
            steps = await list_steps(connection, asked.tenant_id, number, after=known)
        new = [{"stap": _step(step).model_dump(mode="json", by_alias=True)} for step in steps]
        if found.state in ENDED:
            new.append({"verbindingstest": _shape(found, []).model_dump(mode="json", by_alias=True)})
        return Seen({"toestand": found.state}, new, found.state in ENDED)

    return asked.rooms.watching.follow((asked.tenant_id, number), look, Pace())


def _step(one: StepSeen) -> Verbindingsstap:
    return Verbindingsstap(
        nummer=one.number, op=one.at, naam=cast("Any", one.name), uitslag=cast("Any", one.result),
        wie=cast("Any", one.who), tekst=one.detail, gezien=dict(one.seen), milliseconden=one.milliseconds,
    )  # fmt: skip


def _shape(one: TestSeen, steps: list[StepSeen]) -> Verbindingstest:
    return Verbindingstest(
        nummer=one.verbindingstest_id, aansluiting=one.aansluiting_id, certificaat=one.certificate_id,
        credential=one.credential_id, apis=cast("Any", list(one.apis)), gevraagd_door=one.asked_by,
        gevraagd_op=one.asked_at, toestand=cast("Any", one.state), geeindigd_op=one.ended_at,
        stappen=[_step(step) for step in steps],
    )  # fmt: skip


_TESTS: Final = "/v1/aansluitingen/{nummer}/verbindingstesten"
_STANDEN: Final = "/v1/aansluitingen/{nummer}/standen"
_ABSENT: Final = frozenset({404})
VERBINDINGSTEST_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST", _TESTS, "vraagVerbindingstest",
        "Test de verbinding met RvIG, stap voor stap, over precies deze identiteit en zonder persoonsgegevens.",
        CHANGERS, vraag_verbindingstest, {202: Verbindingstest}, refusals=frozenset({404, 409}),
        body=NieuweVerbindingstest, of_tenant=True, idempotent=True,
    ),
    Route(
        "GET", _TESTS, "verbindingstesten", "Verbindingstesten van een aansluiting, de nieuwste eerst.", READERS,
        toon_verbindingstesten, {200: Verbindingstesten}, query=VerbindingstestenVraag, of_tenant=True,
    ),
    Route(
        "GET", f"{_TESTS}/{{test}}", "verbindingstest", "Eén verbindingstest met de stappen tot nu toe.", READERS,
        toon_verbindingstest, {200: Verbindingstest}, refusals=_ABSENT, of_tenant=True,
    ),
    Route(
        "GET", f"{_TESTS}/{{test}}/stappen", "volgVerbindingstest",
        "De stappen zodra ze gezet zijn, één JSON-object per regel, tot de test klaar is.", READERS,
        volg_verbindingstest, {200: None}, refusals=frozenset({404, 409}), of_tenant=True, files=(NDJSON,),
    ),
    Route(
        "GET", _STANDEN, "standen", "Of RvIG deze aansluiting heeft buitengesloten, sinds wanneer en waarom.", READERS,
        toon_standen, {200: Standen}, refusals=_ABSENT, of_tenant=True,
    ),
    Route(
        "DELETE", _STANDEN, "hefStandOp", "Zeg dat RvIG de aansluiting weer toelaat; de volgende bevraging gaat.",
        BEHEERDER, hef_stand_op, {204: None}, refusals=_ABSENT, of_tenant=True,
    ),
)  # fmt: skip
