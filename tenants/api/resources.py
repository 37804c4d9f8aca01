"""What the resources of a tenant have in common: pages, one by number, words for texts, moments and changes.

A page goes on from `volgende`. A change says only what becomes otherwise; what is left out stays.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

import asyncpg
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tenants.admins import Role
from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape, one_line
from tenants.listings import Listing, find_row, list_rows

READERS: Final[frozenset[Role]] = frozenset({"operator", "beheerder", "auditor"})
"""Who may see what a tenant has registered. The operator names the tenant."""
CHANGERS: Final[frozenset[Role]] = frozenset({"operator", "beheerder"})
"""Who may change it: the tenant's beheerder. What the operator asks becomes a voorstel (`Route.voorstelbaar`)."""
BEHEERDER: Final[frozenset[Role]] = frozenset({"beheerder"})
"""What is the tenant's alone: its secrets, and what it lets others do."""

_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# The driver writes these as infinity.
_ENDLESS: Final = {"valid_from": datetime.min.replace(tzinfo=UTC), "valid_until": datetime.max.replace(tzinfo=UTC)}


Regel = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(one_line)]
Oin = Annotated[str, Field(pattern=r"^000000[0-9]{2}[0-9A-Z]{9}000$")]
AfnemerId = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
Omgeving = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Nummer = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _without_null_defaults(schema: dict[str, Any]) -> None:
    for found in schema.get("properties", {}).values():
        if found.get("default", "") is None:
            del found["default"]


class Verandering(Shape):
    """A change (JSON Merge Patch, RFC 7396): what is left out stays as it is, null takes away what may be absent."""

    model_config = ConfigDict(json_schema_extra=_without_null_defaults)

    def given(self, columns: Mapping[str, str]) -> dict[str, Any]:
        """What was given, by column."""
        return {columns[name]: getattr(self, name) for name in self.model_fields_set if name in columns}


class Bladzijde(QueryShape):
    """A page of what is numbered."""

    na: int = Field(default=0, ge=0, le=2**62, description="Alleen wat een hoger nummer heeft.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class BladzijdeOpNaam(QueryShape):
    """A page of what has a name or code."""

    na: str = Field(default="", max_length=60, pattern=r"^[0-9a-z-]*$", description="Alleen wat daarna komt.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


def until(moment: datetime | None) -> datetime | None:
    """A moment of the registry; None for its infinity, which arrives as the naive extremes of datetime."""
    return None if moment is None or moment.tzinfo is None or moment.year in {1, 9999} else moment


def endless(changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, with null for a beginning or an end as the registry writes it: no beginning, no end."""
    return changes | {column: end for column, end in _ENDLESS.items() if column in changes and changes[column] is None}


def name_in_path(asked: Asked, name: str) -> str:
    """A name or code of the path. What cannot be one is 404."""
    text = asked.path[name]
    if not 0 < len(text) <= 60 or not _NAME.issuperset(text):
        raise Refused(404, "nietGevonden", "Dit bestaat hier niet.")
    return text


Shown = Callable[[asyncpg.Record], Shape]


async def show_page(
    asked: Asked,
    listing: Listing,
    shown: Shown,
    page: Callable[..., BaseModel],
    field: str,
    only: Mapping[str, Any] | None = None,
) -> Answer:
    """GET of a list: a page of it, as the query says."""
    query = cast("Bladzijde | BladzijdeOpNaam", asked.query)
    async with asked.scope() as connection:
        rows = await list_rows(connection, listing, asked.tenant_id, after=query.na, limit=query.aantal + 1, only=only)
    return Answer(
        200, page(**{field: [shown(row) for row in rows[: query.aantal]], "volgende": _next(rows, query, listing)})
    )


def _next(rows: Sequence[asyncpg.Record], query: Bladzijde | BladzijdeOpNaam, listing: Listing) -> Any:
    return rows[query.aantal - 1][listing.key] if len(rows) > query.aantal else None


async def show_one(
    asked: Asked,
    connection: asyncpg.Connection,
    listing: Listing,
    shown: Shown,
    key: int | str,
    *,
    made: str | None = None,
) -> Answer:
    """One of them, with its version: as it is read, or (`made`: where it is) as it was just made."""
    row = await find_row(connection, listing, asked.tenant_id, key)
    if made is None:
        return Answer(200, shown(row), version=row["version"])
    return Answer(201, shown(row), {"Location": f"{made}/{key}"}, version=row["version"])
