"""The report of an inzage: to which organ or derde, when, which data in words, on which ground. Pure.

Two readers. The *betrokkene* reads what was disclosed about him or her, and never which employee asked; what is refused by
Besluit BRP 46 is left out, and every report says in the same words that such things exist. The *functionaris* of the tenant
reads the refused ones too, as such.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from tenants.inzage.verstrekkingen import Gathered, Uitkomst, Verstrekking
from tenants.inzage.verzoek import AMSTERDAM, Wet
from tenants.recording import Period
from tenants.words.doelbindingen import doelbinding_in_words
from tenants.words.rubrieken import Groep, in_words

Lezer = Literal["betrokkene", "functionaris"]

MEDEDELING: Final = (
    "De wet bepaalt dat over verstrekkingen aan bepaalde organisaties, bijvoorbeeld in het belang van de veiligheid van de "
    "staat of van de opsporing van strafbare feiten, geen mededeling wordt gedaan. Zulke verstrekkingen staan niet in dit "
    "overzicht. Deze zin staat in elk overzicht, of zulke verstrekkingen er zijn of niet."
)
"""The same in every report (Besluit BRP 46): from it nobody can tell whether anything was left out."""

VINDBAAR: Final = (
    "Verstrekkingen worden gevonden op burgerservicenummer en op A-nummer. Een verstrekking waarbij geen van beide is "
    "vastgelegd, is niet aan een persoon te verbinden en staat daarom niet in dit overzicht."
)
ONBEKENDE_GEGEVENS: Final = "gegevens uit een bericht van de BRP; welke, is niet meer vast te stellen"
GEEN_RUBRIEK: Final = "gegevens waarvoor de BRP geen rubriek vastlegt"
_BEVRAGINGEN: Final = {
    "personen": "bevraging van personen",
    "bewoningen": "bevraging van een adres",
    "verblijfplaatshistorie": "bevraging van eerdere adressen",
    "reisdocumenten": "bevraging van reisdocumenten",
    "berichten": "bericht van de BRP",
}


@dataclass(frozen=True, slots=True)
class Regel:
    """One disclosure in words. `id` and `geweigerd` (the article by which inzage is refused) are for the functionaris."""

    op: datetime
    uitkomst: Uitkomst
    organisatie: str
    ontvanger: str
    grondslag: str
    doelbinding: str
    bevraging: str
    gegevens: tuple[str, ...]
    gezocht_op: tuple[str, ...]
    id: UUID | None = None
    geweigerd: str | None = None


@dataclass(frozen=True, slots=True)
class Rapport:
    """What one reader is told. Times are those of the Netherlands; `kenmerk` is the request's number."""

    lezer: Lezer
    organisatie: str
    kenmerk: str
    wet: Wet
    ontvangen_op: date
    gemaakt_op: datetime
    periode: Period
    regels: tuple[Regel, ...] = field(repr=False)
    vernietigde_jaren: tuple[int, ...] = ()
    onbekend: int = 0
    bewaartermijn: int = 20
    """Years that the tenant keeps its register."""

    def met(self, uitkomst: Uitkomst) -> tuple[Regel, ...]:
        """The lines of one outcome."""
        return tuple(one for one in self.regels if one.uitkomst == uitkomst)


@dataclass(frozen=True, slots=True)
class Blok:
    """What one recipient received on one ground for one purpose: each set of data with the moments it was received."""

    organisatie: str
    ontvanger: str
    grondslag: str
    doelbinding: str
    sets: tuple[tuple[tuple[str, ...], tuple[datetime, ...]], ...]


def make_rapport(
    gathered: Gathered,
    *,
    lezer: Lezer,
    organisatie: str,
    kenmerk: str,
    wet: Wet,
    ontvangen_op: date,
    gemaakt_op: datetime,
    periode: Period,
    bewaartermijn: int,
) -> Rapport:
    """Make the report for one reader. A refused disclosure is in that of the functionaris alone."""
    shown = (one for one in gathered.verstrekkingen if lezer == "functionaris" or one.refused is None)
    regels = [_regel(one, gathered.words, gathered.names) for one in shown]
    if lezer == "betrokkene":
        regels = [replace(one, id=None, geweigerd=None) for one in regels]
    return Rapport(
        lezer=lezer,
        organisatie=organisatie,
        kenmerk=kenmerk,
        wet=wet,
        ontvangen_op=ontvangen_op,
        gemaakt_op=gemaakt_op.astimezone(AMSTERDAM),
        periode=(periode[0].astimezone(AMSTERDAM), periode[1].astimezone(AMSTERDAM)),
        regels=tuple(regels),
        vernietigde_jaren=gathered.destroyed_years,
        # How many there are of which the betrokkene may not know would tell that there are any (Besluit BRP 46).
        onbekend=gathered.untold + (gathered.untold_refused if lezer == "functionaris" else 0),
        bewaartermijn=bewaartermijn,
    )


def left_out(rapport: Rapport) -> tuple[str, ...]:
    """What is not in the report, in sentences that every form of it has: the same, first two in every report."""
    told = [MEDEDELING, VINDBAAR]
    if rapport.vernietigde_jaren:
        years = enumerated([str(year) for year in rapport.vernietigde_jaren])
        told.append(f"De vastlegging over {years} is na afloop van de bewaartermijn vernietigd.")
    if rapport.onbekend:
        calls = "één vraag" if rapport.onbekend == 1 else f"{rapport.onbekend} vragen"
        told.append(
            f"Van {calls} in deze periode is door een storing niet bekend of er gegevens zijn verstrekt, en is niet vast te "
            "stellen over wie het ging."
        )
    return tuple(told)


def enumerated(parts: Sequence[str]) -> str:
    """One or more parts as Dutch enumerates them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} en {parts[-1]}"


def blokken_of(regels: Iterable[Regel]) -> tuple[Blok, ...]:
    """The lines by recipient, ground and purpose, in the order of first disclosure; within them by what was disclosed."""
    found: dict[tuple[str, str, str, str], dict[tuple[str, ...], list[datetime]]] = {}
    for one in regels:
        sets = found.setdefault((one.organisatie, one.ontvanger, one.grondslag, one.doelbinding), {})
        sets.setdefault(one.gegevens, []).append(one.op)
    return tuple(
        Blok(*key, tuple((gegevens, tuple(moments)) for gegevens, moments in sets.items()))
        for key, sets in found.items()
    )


def gegevens_in_words(rubrieken: tuple[str, ...] | None) -> tuple[str, ...]:
    """What was disclosed, a line per category."""
    if rubrieken is None:
        return (ONBEKENDE_GEGEVENS,)
    return _lines(in_words(rubrieken)) or (GEEN_RUBRIEK,)


def _regel(one: Verstrekking, words: Mapping[str, str], names: Mapping[str, str]) -> Regel:
    return Regel(
        op=one.at.astimezone(AMSTERDAM),
        uitkomst=one.uitkomst,
        organisatie=names.get(one.afnemer_id or "", ""),
        ontvanger=one.ontvanger,
        grondslag=one.grondslag,
        doelbinding=doelbinding_in_words(one.doelbinding, words),
        bevraging=_BEVRAGINGEN.get(one.api, "andere bevraging"),
        gegevens=gegevens_in_words(one.rubrieken),
        gezocht_op=_lines(in_words(one.zoekrubrieken)),
        id=one.id,
        geweigerd=one.refused,
    )


def _lines(groepen: tuple[Groep, ...]) -> tuple[str, ...]:
    return tuple(map(str, groepen))
