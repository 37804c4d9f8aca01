"""Routes of what doelbindingen are called in letters to citizens."""

from typing import Annotated, cast

from pydantic import AfterValidator, Field

from tenants.api.routing import Answer, Asked
from tenants.api.shapes import Shape, one_line
from tenants.doelbindingen import describe_doelbinding, list_doelbindingen
from tenants.scope import tenant_scope
from tenants.words.doelbindingen import doelbinding_in_words


def _words(text: str) -> str:
    if not any(character.isalpha() for character in text):
        raise ValueError("Een omschrijving heeft woorden.")
    return one_line(text)


class NieuweOmschrijving(Shape):
    """What a doelbinding is called."""

    doelbinding: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(one_line)]
    omschrijving: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_words)]


class Doelbinding(Shape):
    """A doelbinding, its words if it was given any, and how a letter tells it."""

    doelbinding: str
    omschrijving: str | None
    in_brief: str


class Doelbindingen(Shape):
    doelbindingen: list[Doelbinding]


async def toon_doelbindingen(asked: Asked) -> Answer:
    """GET: the tenant's doelbindingen with their words."""
    async with (
        asked.rooms.registry.acquire() as connection,
        tenant_scope(connection, asked.tenant_id, actor=asked.by.actor),
    ):
        found = await list_doelbindingen(connection, asked.tenant_id)
    return Answer(200, Doelbindingen(doelbindingen=[_shape(one, words) for one, words in found.items()]))


async def omschrijf_doelbinding(asked: Asked) -> Answer:
    """POST: give a doelbinding its words. Asking again is safe."""
    wanted = cast("NieuweOmschrijving", asked.body)
    async with (
        asked.rooms.registry.acquire() as connection,
        tenant_scope(connection, asked.tenant_id, actor=asked.by.actor),
    ):
        await describe_doelbinding(connection, asked.tenant_id, wanted.doelbinding, wanted.omschrijving)
    return Answer(200, _shape(wanted.doelbinding, wanted.omschrijving))


def _shape(doelbinding: str, words: str | None) -> Doelbinding:
    known = {} if words is None else {doelbinding: words}
    return Doelbinding(doelbinding=doelbinding, omschrijving=words, in_brief=doelbinding_in_words(doelbinding, known))
