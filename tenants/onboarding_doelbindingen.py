"""The part of an onboarding that says what a tenant's doelbindingen are called in letters to citizens. In its scope."""

from typing import Annotated

from pydantic import AfterValidator

from tenants.doelbindingen import describe_doelbinding, list_doelbindingen
from tenants.onboarding_shapes import Line, Part
from tenants.onboarding_work import Work


def _words(text: str) -> str:
    if not any(character.isalpha() for character in text):
        raise ValueError("words have letters")
    return text


class DoelbindingPart(Part):
    """A doelbinding as machtigingen name it, and what it is called: a text with words."""

    doelbinding: Line
    words: Annotated[Line, AfterValidator(_words)]


async def apply_doelbindingen(work: Work, oin: str, parts: tuple[DoelbindingPart, ...]) -> None:
    """Give these doelbindingen their words."""
    if not parts:
        return
    tenant_id = work.tenants[oin]
    before = await list_doelbindingen(work.connection, tenant_id)
    for one in parts:
        known = before.get(one.doelbinding)
        if known == one.words:
            continue
        await describe_doelbinding(work.connection, tenant_id, one.doelbinding, one.words)
        (work.made if known is None else work.changed)["doelbinding"] += 1
