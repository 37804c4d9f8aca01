"""The route of calls whose outcome is not known: for the tenant's auditor, with cause and without what they were about."""

from datetime import UTC, datetime, timedelta
from typing import Final, cast

from tenants.api.register_shapes import OnbekendeUitkomst, OnbekendeUitkomsten, OnbekendeUitkomstenVraag
from tenants.api.routing import Answer, Asked, Route
from tenants.finding import bounds_of
from tenants.unknown_outcomes import list_unknown_outcomes

_DAYS: Final = timedelta(days=30)


async def show_unknown_outcomes(asked: Asked) -> Answer:
    """GET: newest first. Without a period: the last thirty days, or those before `tot`."""
    query = cast("OnbekendeUitkomstenVraag", asked.query)
    until = query.tot or datetime.now(UTC) + timedelta(minutes=1)
    floor, ceiling = bounds_of((query.van or until - _DAYS, until))
    async with asked.rooms.inzage.acquire() as connection:
        found = await list_unknown_outcomes(
            connection,
            asked.tenant_id,
            floor,
            min(ceiling, query.voor or ceiling),
            actor=asked.by.actor,
            limit=query.aantal + 1,
        )
    shown = found[: query.aantal]
    return Answer(
        200,
        OnbekendeUitkomsten(
            onbekende_uitkomsten=[
                OnbekendeUitkomst(
                    id=one.id,
                    geopend_op=one.opened_at,
                    gesloten_op=one.ended_at,
                    oorzaak=one.cause,
                    code=one.code,
                    schrijver=one.writer_id,
                    gateway=one.instance,
                )
                for one in shown
            ],
            volgende=shown[-1].id if len(found) > len(shown) else None,
        ),
    )


OUTCOME_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/onbekende-uitkomsten",
        name="onbekendeUitkomsten",
        summary="Bevragingen waarvan niet bekend is wat RvIG ermee deed, met oorzaak; RvIG kan ze hebben vastgelegd.",
        roles=frozenset({"auditor"}),
        endpoint=show_unknown_outcomes,
        answers={200: OnbekendeUitkomsten},
        query=OnbekendeUitkomstenVraag,
    ),
)
