"""The words of the letter to a citizen, in Dutch, as data for its setting. Pure.

To which organ or derde, when, which data, on which ground; what was fetched and not passed on; what is unknown; what is not
in it, in the same words for everyone; and what the reader can do. Who inside an organisation asked is never in it.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from tenants.inzage.rapport import Blok, Rapport, Regel, blokken_of, enumerated, left_out
from tenants.inzage.verzoek import Betrokkenen

_MAANDEN: Final = (
    *("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus"),
    *("september", "oktober", "november", "december"),
)
_UNSETTABLE: Final = re.compile(
    # Latin with its marks, Greek, Cyrillic; dashes, quotation marks, currencies. Code points without a sign are not in it.
    r"[^\u0020-\u007e\u00a0-\u0377\u037a-\u037f\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u0482\u048a-\u04ff"
    r"\u1e00-\u1eff\u2010-\u2027\u2030-\u203e\u20a0-\u20bf]"
)
_MOST_TIMES: Final = 4
_WET: Final = {
    "wet-brp-3.22": "artikel 3.22 van de Wet basisregistratie personen (Wet BRP)",
    "avg-15": "artikel 15 van de Algemene verordening gegevensbescherming (AVG)",
}
_RECHT_WET_BRP: Final = (
    "Denkt u dat gegevens over u in de basisregistratie personen onjuist of onvolledig zijn? Dan kunt u uw gemeente vragen "
    "ze te verbeteren of aan te vullen (artikel 2.58 van de Wet BRP)."
)
_RECHT_AVG: Final = (
    "U kunt ons vragen gegevens over u te verbeteren, te wissen of de verwerking ervan te beperken, en u kunt bezwaar maken "
    "tegen de verwerking (artikelen 16, 17, 18 en 21 van de AVG). Onjuiste gegevens in de BRP zelf verbetert uw gemeente."
)
_KLACHT: Final = (
    "Bent u het niet eens met de manier waarop met uw gegevens is omgegaan? Dan kunt u een klacht indienen bij de "
    "Autoriteit Persoonsgegevens (autoriteitpersoonsgegevens.nl)."
)
_NIET_VERSTREKT: Final = (
    "De volgende gegevens over u zijn wel uit de BRP opgehaald, maar niet aan de ontvanger verstrekt, bijvoorbeeld omdat "
    "voor u geheimhouding geldt of omdat er een storing was."
)
_UITKOMST_ONBEKEND: Final = (
    "De volgende vragen over u zijn gesteld, maar of daarop gegevens zijn verstrekt, is door een storing niet bekend."
)


@dataclass(frozen=True, slots=True)
class Briefhoofd:
    """Who sends the letter (lines under the name), from where, and who signs it."""

    afzender: tuple[str, ...]
    plaats: str
    ondertekening: tuple[str, ...]


def letter_of(rapport: Rapport, betrokkenen: Betrokkenen, hoofd: Briefhoofd) -> dict[str, Any]:
    """All that the setting needs, as text that it can set. Raises ValueError for a report that is not for the betrokkene."""
    if rapport.lezer != "betrokkene":
        raise ValueError("A letter is for the betrokkene.")
    acting = betrokkenen.vertegenwoordiger
    reader = betrokkenen.betrokkene if acting is None else acting.wie
    letter = {
        "titel": "Overzicht van verstrekkingen uit de BRP",
        "organisatie": rapport.organisatie,
        "afzender": list(hoofd.afzender),
        "geadresseerde": [reader.naam, *reader.adres],
        "plaats_en_datum": f"{hoofd.plaats}, {in_words(rapport.gemaakt_op.date())}",
        "datum": rapport.gemaakt_op.date().isoformat(),
        "kenmerk": rapport.kenmerk,
        "aanhef": f"Geachte {reader.naam},",
        "inleiding": [_opening(rapport, betrokkenen), _summary(rapport)],
        "hoofdstukken": _chapters(rapport),
        "niet_in_overzicht": list(left_out(rapport)),
        "rechten": _rights(rapport),
        "ondertekening": list(hoofd.ondertekening) or [rapport.organisatie],
    }
    settable: dict[str, Any] = _settable(letter)
    return settable


def settable_text(text: str) -> str:
    """The text with a replacement character (U+FFFD) for what the letter's font has no sign for.

    It has Latin, Greek and Cyrillic with all their marks: everything that the BRP writes (Teletex) and more.
    """
    return _UNSETTABLE.sub("\ufffd", unicodedata.normalize("NFC", text))


def in_words(day: date) -> str:
    """A date as a Dutch letter writes it."""
    return f"{day.day} {_MAANDEN[day.month - 1]} {day.year}"


def moments_in_words(moments: Iterable[datetime]) -> list[str]:
    """Moments by day: the times of a day, or how often when there are many."""
    told = []
    for day, those in groupby(sorted(moments), key=lambda one: one.date()):
        times = [f"{one.hour}.{one.minute:02}" for one in those]
        if len(times) > _MOST_TIMES:
            told.append(f"{in_words(day)}, {len(times)} keer tussen {times[0]} en {times[-1]} uur")
        else:
            told.append(f"{in_words(day)}, {enumerated(list(dict.fromkeys(times)))} uur")
    return told


def _settable(value: Any) -> Any:
    if isinstance(value, str):
        return settable_text(value)
    if isinstance(value, dict):
        return {name: _settable(one) for name, one in value.items()}
    return [_settable(one) for one in value]


def _opening(rapport: Rapport, betrokkenen: Betrokkenen) -> str:
    acting = betrokkenen.vertegenwoordiger
    whom = "u" if acting is None else f"{betrokkenen.betrokkene.naam}, namens wie u als {acting.hoedanigheid} optreedt"
    # The last day of the period is the day before its end.
    until = rapport.periode[1] - timedelta(seconds=1)
    return (
        f"Op {in_words(rapport.ontvangen_op)} ontvingen wij een verzoek om inzage. In deze brief leest u, zoals "
        f"{_WET[rapport.wet]} voorschrijft, welke gegevens over {whom} via ons uit de basisregistratie personen (BRP) zijn "
        f"verstrekt van {in_words(rapport.periode[0].date())} tot en met {in_words(until.date())}: aan welke organisatie "
        "of derde, wanneer, welke gegevens en op welke grond."
    )


def _summary(rapport: Rapport) -> str:
    given = rapport.met("verstrekt")
    if not given:
        return "Dit overzicht bevat geen verstrekkingen."
    many = len({(one.organisatie, one.ontvanger) for one in given})
    times = "één keer" if len(given) == 1 else f"{len(given)} keer"
    receivers = "één ontvanger" if many == 1 else f"{many} ontvangers"
    return f"Er zijn {times} gegevens verstrekt, aan {receivers}."


def _chapters(rapport: Rapport) -> list[dict[str, Any]]:
    made = []
    if given := rapport.met("verstrekt"):
        made.append(_chapter("Verstrekte gegevens", "", given))
    if kept := rapport.met("niet_doorgegeven"):
        made.append(_chapter("Opgehaald, maar niet verstrekt", _NIET_VERSTREKT, kept))
    if unknown := rapport.met("uitkomst_onbekend"):
        made.append(_chapter("Uitkomst onbekend", _UITKOMST_ONBEKEND, unknown))
    return made


def _chapter(title: str, text: str, regels: Sequence[Regel]) -> dict[str, Any]:
    return {"titel": title, "tekst": text, "blokken": [_block(one) for one in blokken_of(regels)]}


def _block(blok: Blok) -> dict[str, Any]:
    through = [["Organisatie", blok.organisatie]] if blok.organisatie else []
    return {
        "ontvanger": blok.ontvanger or "Ontvanger niet vastgelegd",
        "kenmerken": [*through, ["Doel", blok.doelbinding], ["Grondslag", blok.grondslag or "niet vastgelegd"]],
        "rijen": [
            {"wanneer": moments_in_words(moments), "gegevens": list(gegevens)} for gegevens, moments in blok.sets
        ],
    }


def _rights(rapport: Rapport) -> list[str]:
    kept = f"Dat gegevens over u zijn verstrekt, leggen wij vast en bewaren wij {rapport.bewaartermijn} jaar."
    if rapport.wet == "wet-brp-3.22":
        return [kept, _RECHT_WET_BRP, _KLACHT]
    return [f"De gegevens komen uit de basisregistratie personen (BRP). {kept}", _RECHT_AVG, _KLACHT]
