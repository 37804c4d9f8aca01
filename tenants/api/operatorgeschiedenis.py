"""Routes of the operator's own history: who named an operator, made or withdrew its keys, registered its IDP, moved an environment.

The operator's alone. Its checkpoints are signed by the sealer; keep them elsewhere, and `register verify --operator` tells by
them whether anything was altered since.
"""

from typing import Final, cast

from pydantic import AwareDatetime, Field

from tenants.admins import Role
from tenants.api.registry import filter_of, page_of
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape, Wijzigingen, WijzigingenVraag
from tenants.operator_history import list_operator_checkpoints, list_operator_wijzigingen

_OPERATOR: Final[frozenset[Role]] = frozenset({"operator"})


class OperatorcontrolepuntenVraag(QueryShape):
    """A page of checkpoints."""

    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen over minder wijzigingen dan dit.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class Operatorcontrolepunt(Shape):
    """A signed note over the first `omvang` changes of the operator."""

    omvang: int
    getekend_op: AwareDatetime
    notitie: str


class Operatorcontrolepunten(Shape):
    """A page, the largest first; `volgende` is what to go on from."""

    controlepunten: list[Operatorcontrolepunt]
    volgende: int | None


async def toon_operatorwijzigingen(asked: Asked) -> Answer:
    """GET: what the operator changed of its own, newest first."""
    async with asked.scope() as connection:
        found = await list_operator_wijzigingen(connection, filter_of(asked))
    return page_of(asked, found)


async def toon_operatorcontrolepunten(asked: Asked) -> Answer:
    """GET: checkpoints of that history."""
    query = cast("OperatorcontrolepuntenVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_operator_checkpoints(connection, before=query.voor, limit=query.aantal + 1)
    shown = found[: query.aantal]
    page = Operatorcontrolepunten(
        controlepunten=[
            Operatorcontrolepunt(omvang=one.size, getekend_op=one.signed_at, notitie=one.note) for one in shown
        ],
        volgende=shown[-1].size if len(found) > len(shown) else None,
    )
    return Answer(200, page)


OPERATORGESCHIEDENIS_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/operatorwijzigingen", "operatorwijzigingen",
        "Wat de operator van zichzelf veranderde: mensen, sleutels, IDP's en omgevingen.", _OPERATOR,
        toon_operatorwijzigingen, {200: Wijzigingen}, query=WijzigingenVraag,
    ),
    Route(
        "GET", "/v1/operatorcontrolepunten", "operatorcontrolepunten",
        "Getekende controlepunten over die geschiedenis.", _OPERATOR, toon_operatorcontrolepunten,
        {200: Operatorcontrolepunten}, query=OperatorcontrolepuntenVraag,
    ),
)  # fmt: skip
