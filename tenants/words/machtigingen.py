"""What is wrong with a machtiging, in Dutch: what the rules of `tenants.rights` refuse, for who asks over the admin API. Pure.

A test holds both to each other: what one refuses the other refuses too.
"""

import re
from collections.abc import Iterator
from typing import Final

from tenants.rights import BY_BESLUIT, FILTERED, WITHOUT_FIELDS, Policy, Rights

_TO_DERDEN: Final = re.compile(r"[^0-9]*3\.(3|6|9)(?![0-9])")
_ARTICLE: Final = {number: re.compile(rf"Besluit BRP,? (art\.? |artikel )?{number}(?![0-9])") for number in (42, 46)}


def faults_in_words(
    rights: Rights, policy: Policy, *, kind: str, grondslag: str, ontvanger: str
) -> Iterator[tuple[str, str]]:
    """Every fault with its place in the request (RFC 6901). `kind` is that of the afnemer."""
    if kind == "gemeente" and not grondslag.strip():
        yield "/grondslag", "Een gemeente verstrekt zelf: noem de grondslag (Wet BRP 3.5, 3.8 of 3.9)."
    if kind == "gemeente" and not ontvanger.strip():
        yield "/ontvanger", "Een gemeente verstrekt zelf: noem de ontvanger, een overheidsorgaan of derde."
    for api, restrictions in rights.items():
        fields = restrictions.get("fields")
        if api in WITHOUT_FIELDS and fields is not None and fields != BY_BESLUIT:
            yield f"/rechten/{api}/velden", "Deze API antwoordt in haar geheel: alle velden, of autorisatiebesluit."
    yield from _faults_of_policy(policy, rights, kind, grondslag)


def _faults_of_policy(policy: Policy, rights: Rights, kind: str, grondslag: str) -> Iterator[tuple[str, str]]:
    if policy.leave_out_geheimhouding:
        if _TO_DERDEN.match(grondslag) is None:
            yield (
                "/registerbeleid/zonderGeheimhouding",
                "Alleen bij verstrekking aan derden: de grondslag begint met Wet BRP 3.3, 3.6 of 3.9.",
            )
        for api in rights.keys() - FILTERED:
            yield f"/rechten/{api}", "Uit de antwoorden van deze API zijn personen met geheimhouding niet weg te laten."
    if policy.protocol_note == "no" and kind != "overheidsorgaan":
        yield "/registerbeleid/aantekening", "Zonder aantekening kan alleen bij een overheidsorgaan van Besluit BRP 42."
    if not _is_ground(policy.protocol_note_article, 42, needed=policy.protocol_note == "no"):
        yield (
            "/registerbeleid/aantekeningArtikel",
            "Zonder aantekening, en alleen dan, hoort hier Besluit BRP 42 met het onderdeel.",
        )
    if not _is_ground(policy.inzage_article, 46, needed=policy.inzage == "refused"):
        yield (
            "/registerbeleid/inzageArtikel",
            "Bij geweigerde inzage, en alleen dan, hoort hier Besluit BRP 46 met het onderdeel.",
        )


def _is_ground(article: str | None, number: int, *, needed: bool) -> bool:
    if article is None:
        return not needed
    return needed and _ARTICLE[number].match(article) is not None
