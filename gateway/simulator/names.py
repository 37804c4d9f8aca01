"""How a person is named and addressed in an answer: initials, whole name, salutation, address lines. Pure."""

from typing import Any, Final

Json = dict[str, Any]

_PREDICAAT: Final = "predicaat"


def voorletters(voornamen: str) -> str:
    """`Anna Jan-Willem` becomes `A.J.`."""
    return "".join(f"{name[0].upper()}." for name in voornamen.split())


def volledige_naam(naam: Json) -> str:
    """Predicaat, voornamen, adellijke titel, voorvoegsel and geslachtsnaam; never the partner's name."""
    title = naam.get("adellijkeTitelPredicaat") or {}
    words = [
        title.get("omschrijving") if title.get("soort") == _PREDICAAT else None,
        naam.get("voornamen"),
        title.get("omschrijving") if title.get("soort") != _PREDICAAT else None,
        naam.get("voorvoegsel"),
        naam.get("geslachtsnaam"),
    ]
    return " ".join(str(word).strip() for word in words if word)


def naam_answer(naam: Json, *, with_usage: bool) -> Json:
    """The API's form of a name; `with_usage` adds aanduidingNaamgebruik."""
    members = ("voornamen", "adellijkeTitelPredicaat", "voorvoegsel", "geslachtsnaam")
    result = {name: naam[name] for name in members if naam.get(name) and naam[name] != "."}
    if "voornamen" in result:
        result["voornamen"] = str(result["voornamen"]).strip()
        result["voorletters"] = voorletters(result["voornamen"])
    if result:
        result["volledigeNaam"] = volledige_naam(result)
    if with_usage and naam.get("aanduidingNaamgebruik"):
        result["aanduidingNaamgebruik"] = naam["aanduidingNaamgebruik"]
    return result


def _last_name(naam: Json) -> str:
    return " ".join(str(naam[part]) for part in ("voorvoegsel", "geslachtsnaam") if naam.get(part))


def used_name(naam: Json, partner: Json | None) -> str:
    """The surname by aanduidingNaamgebruik: E own, P partner's, V partner's before own, N own before partner's."""
    own = _last_name(naam)
    usage = (naam.get("aanduidingNaamgebruik") or {}).get("code", "E")
    other = _last_name(partner) if partner else ""
    if not other or usage == "E":
        return own
    return {"P": other, "V": f"{other}-{own}", "N": f"{own}-{other}"}.get(usage, own)


_SALUTATIONS: Final = {"M": "heer", "V": "mevrouw"}


def greetings(naam: Json, partner: Json | None, geslacht: str | None) -> Json:
    """`aanhef`, `aanschrijfwijze` and `gebruikInLopendeTekst`, without noble forms of address."""
    surname = used_name(naam, partner)
    if not surname or surname == ".":
        return {}
    initials = voorletters(str(naam.get("voornamen") or ""))
    word = _SALUTATIONS.get(geslacht or "")
    capital = surname[0].upper() + surname[1:]
    whole = f"{initials} {surname}".strip()
    if word is None:
        return {"aanhef": f"Geachte {whole}", "aanschrijfwijze": {"naam": whole}, "gebruikInLopendeTekst": whole}
    running = f"de {word}" if word == "heer" else word
    return {
        "aanhef": f"Geachte {word} {capital}",
        "aanschrijfwijze": {"naam": whole},
        "gebruikInLopendeTekst": f"{running} {capital}",
    }


def address_lines(place: Json, gemeente: str | None) -> Json:
    """`adresregel1` and following of a stay in the register's form; empty where it is unknown."""
    if place.get("straat"):
        beside = {"to": "t/o ", "by": "bij "}.get((place.get("aanduidingBijHuisnummer") or {}).get("code", ""), "")
        number = "".join(str(place.get(part) or "") for part in ("huisnummer", "huisletter"))
        addition = f"-{place['huisnummertoevoeging']}" if place.get("huisnummertoevoeging") else ""
        lines = {"adresregel1": f"{place['straat']} {beside}{number}{addition}".strip()}
        postcode = str(place.get("postcode") or "")
        spaced = f"{postcode[:4]} {postcode[4:].strip()} " if postcode else ""
        if second := f"{spaced}{place.get('woonplaats') or gemeente or ''}".strip():
            lines["adresregel2"] = second
        return lines
    if place.get("locatiebeschrijving"):
        lines = {"adresregel1": str(place["locatiebeschrijving"])}
        return lines | ({"adresregel2": gemeente} if gemeente else {})
    found: Json = {f"adresregel{nr}": place[f"regel{nr}"] for nr in (1, 2, 3) if place.get(f"regel{nr}")}
    if found and place.get("land"):
        found["land"] = place["land"]
    return found
