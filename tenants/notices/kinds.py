"""What there is to tell of, to whom, and in which words. Pure; Dutch, without persons, secrets or reasons people wrote.

A kind of end is told 90, 60, 30, 14 and 7 days before, and when it has come. Any other kind is told when it is seen, and
some again when it lasts. Words are filled in with what the facts of the kind name (migrations/sql/0019_feiten.sql).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ContactKind = Literal["technisch", "fg", "nood"]
TECHNISCH: Final[tuple[ContactKind, ...]] = ("technisch",)
FG: Final[tuple[ContactKind, ...]] = ("fg",)
BOTH: Final[tuple[ContactKind, ...]] = ("technisch", "fg")
URGENT: Final[tuple[ContactKind, ...]] = ("technisch", "nood")
ALL: Final[tuple[ContactKind, ...]] = ("technisch", "fg", "nood")


@dataclass(frozen=True, slots=True)
class Einde:
    """What ends: how it is called, how ending is said, what its end means, and what to do.

    `operator`: the operator is told too. `urgent`: in the last week the emergency contact is. `days` before it, the nearest
    first, it is told.
    """

    noun: str
    ends: str
    ended: str
    means: str
    do: str
    contacts: tuple[ContactKind, ...] = TECHNISCH
    operator: bool = False
    urgent: bool = False
    days: tuple[int, ...] = (7, 14, 30, 60, 90)


@dataclass(frozen=True, slots=True)
class Gebeurtenis:
    """What happened, or is the case."""

    subject: str
    words: str
    do: str
    contacts: tuple[ContactKind, ...]
    operator: bool = False


_STOPS: Final = "Vanaf dat moment laat het koppelpunt er geen bevraging meer mee door."
EINDES: Final[Mapping[str, Einde]] = {
    "certificaat": Einde(
        "Certificaat {nummer} van OIN {oin}", "verloopt", "is verlopen", _STOPS,
        "Vraag een nieuw certificaat aan bij uw certificaatleverancier, met de aanvraag die het koppelpunt maakt "
        "(POST /v1/certificaten/aanvragen), stuur het aan RvIG, en activeer het. Reken op enkele weken.",
        operator=True, urgent=True,
    ),
    "certificaat_geleend": Einde(
        "Het certificaat van {houder} (OIN {oin}) waarmee uw aansluiting werkt", "verloopt", "is verlopen", _STOPS,
        "Vraag {houder} wanneer het nieuwe certificaat er is, en laat uw aansluiting daarop overgaan.", operator=True,
        urgent=True,
    ),
    "geheim": Einde(
        "Het client-secret van credential {nummer} (AfnemerID {afnemer}, {omgeving})", "verloopt", "is verlopen",
        "Vanaf dat moment geeft RvIG er geen token meer op.",
        "Vraag RvIG een nieuw client-secret, breng het in (POST /v1/credentials), probeer het en activeer het.",
        urgent=True,
    ),
    "overeenkomst": Einde(
        "Overeenkomst {nummer} ({soort}) met {partij}", "loopt af", "is afgelopen",
        "Een aansluiting die deze overeenkomst nodig heeft, kan daarna stoppen.",
        "Verleng de overeenkomst en leg haar vast (POST /v1/overeenkomsten), of leg uitstel vast met een reden.", BOTH,
    ),
    "uitstel": Einde(
        "Het uitstel voor overeenkomst {nummer} ({soort}) met {partij}", "loopt af", "is afgelopen",
        "Daarna stopt elke aansluiting die de overeenkomst nodig heeft.",
        "Teken de overeenkomst en leg haar vast (POST /v1/overeenkomsten).", BOTH, urgent=True,
    ),
    "mandaat": Einde(
        "Het mandaat {nummer} van {van} aan {aan}", "loopt af", "is afgelopen",
        "Daarna vertrekt geen bevraging meer die op dit mandaat steunt.",
        "Verleng het mandaat als het nog nodig is; dat doet {van} (PATCH /v1/mandaten).",
    ),
    "machtiging": Einde(
        "Machtiging {nummer}", "loopt af", "is afgelopen", "Daarna wordt geen bevraging meer op deze machtiging doorgelaten.",
        "Verleng de machtiging als het taaksysteem haar nog nodig heeft (PATCH /v1/machtigingen).",
    ),
    "uitzondering": Einde(
        "De certificaatuitzondering {nummer} voor AfnemerID {afnemer}", "loopt af", "is afgelopen",
        "Daarna moet de aansluiting een certificaat van de eigen organisatie gebruiken; anders stopt zij.",
        "Vraag een eigen certificaat aan en activeer het (brief van RvIG van 27 maart 2026).", BOTH, operator=True,
    ),
    "uitlening": Einde(
        "De uitlening {nummer} van certificaten van {van} aan {aan}", "loopt af", "is afgelopen",
        "Daarna vertrekt geen bevraging van {aan} meer met een certificaat van {van}.",
        "Verleng de uitlening als zij nog mag (PATCH /v1/uitleningen), of stap over op een eigen certificaat.",
    ),
    "beheermandaat": Einde(
        "Het beheermandaat {nummer} aan {aan}", "loopt af", "is afgelopen", "Daarna kan {aan} niets meer voor u beheren.",
        "Geef een nieuw mandaat als dat nog nodig is (POST /v1/beheermandaten).", BOTH,
    ),
    "autorisatiebesluit": Einde(
        "Autorisatiebesluit {nummer} van AfnemerID {afnemer}", "eindigt", "is geëindigd",
        "Wat daarna gevraagd wordt, valt niet meer onder dit besluit.",
        "Leg het nieuwe besluit vast (POST /v1/autorisatiebesluiten).", BOTH,
    ),
    "aansluiting": Einde(
        "Aansluiting {nummer} van AfnemerID {afnemer} ({omgeving})", "eindigt", "is geëindigd",
        "Daarna laat zij geen bevraging meer door.", "Verleng de aansluiting als zij nog nodig is (PATCH /v1/aansluitingen).",
        urgent=True,
    ),
    "inzagetermijn": Einde(
        "De termijn van inzageverzoek {nummer}", "loopt af", "is afgelopen",
        "Binnen vier weken na ontvangst hoort de betrokkene antwoord te hebben (Wet BRP art. 3.22, AVG art. 12).",
        "Laat uw auditor het verzoek afhandelen (GET /v1/inzageverzoeken?open=true) en vastleggen dat het antwoord is verzonden.",
        FG, days=(7,),
    ),
}  # fmt: skip

GEBEURTENISSEN: Final[Mapping[str, Gebeurtenis]] = {
    "blokkade": Gebeurtenis(
        "Blokkade van {wat}", "Sinds {moment} staat een blokkade op {wat}. Geen bevraging die dit raakt wordt doorgelaten.",
        "Kijk waarom, en wie (GET /v1/blokkades). Alleen wie blokkeerde, of de operator, heft haar op.", ALL, operator=True,
    ),
    "blokkade_opgeheven": Gebeurtenis(
        "Blokkade van {wat} opgeheven", "De blokkade op {wat} is op {moment} opgeheven.",
        "U hoeft niets te doen. Controleer of uw taaksystemen weer antwoord krijgen.", ALL, operator=True,
    ),
    "certificaat_ingetrokken": Gebeurtenis(
        "Certificaat {nummer} is ingetrokken",
        "Certificaat {nummer} van OIN {oin} is sinds {moment} ingetrokken. Er vertrekt geen bevraging meer mee.",
        "Vraag een nieuw certificaat aan met een nieuw sleutelpaar, en zoek uit waarom het oude is ingetrokken.", ALL,
        operator=True,
    ),
    "sleutel_vernietigd": Gebeurtenis(
        "Sleutel vernietigd: {wat} {nummer}",
        "De geheime sleutel van {wat} {nummer} is op {moment} vernietigd, zoals de termijn het wil.",
        "U hoeft niets te doen. Het bewijs staat in de historie (GET /v1/wijzigingen, GET /v1/vernietigingen).", FG,
    ),
    "rvig_weigert": Gebeurtenis(
        "RvIG weigert aansluiting {nummer}",
        "RvIG laat aansluiting {nummer} (AfnemerID {afnemer}, {omgeving}) sinds {moment} niet toe: {reden} (status {status}, "
        "code {code}). Het koppelpunt vraagt RvIG nog maar af en toe of het voorbij is.",
        "Bel de frontdesk van RvIG. Weet u dat het is opgelost, zeg dat dan (DELETE /v1/aansluitingen/{nummer}/standen).",
        URGENT, operator=True,
    ),
    "rvig_hersteld": Gebeurtenis(
        "RvIG laat aansluiting {nummer} weer toe", "De weigering door RvIG van aansluiting {nummer} is voorbij.",
        "U hoeft niets te doen.", URGENT, operator=True,
    ),
    "post_wacht": Gebeurtenis(
        "Er wacht post in de berichtenbox van AfnemerID {afnemer}",
        "In de berichtenbox van AfnemerID {afnemer} ({omgeving}, aansluiting {nummer}) wacht sinds {moment} post die niet is "
        "opgehaald; bij de laatste telling {aantal} berichten. RvIG bewaart post zeven dagen; daarna is zij weg.",
        "Laat uw taaksysteem de berichten ophalen, uiterlijk op {uiterlijk}.", URGENT,
    ),
    "postbus_ongezien": Gebeurtenis(
        "Niemand kijkt in de berichtenbox van AfnemerID {afnemer}",
        "Sinds {moment} heeft geen taaksysteem in de berichtenbox van AfnemerID {afnemer} ({omgeving}, aansluiting {nummer}) "
        "gekeken. Of er post wacht is dus niet bekend; RvIG bewaart post zeven dagen.",
        "Controleer of het taaksysteem dat de berichten ophaalt nog werkt.", TECHNISCH,
    ),
    "voorstel": Gebeurtenis(
        "Voorstel {nummer} wacht op uw besluit",
        "Iemand vraagt een wijziging die uw {wie} moet aanvaarden of weigeren: voorstel {nummer}. Het vervalt op {uiterlijk}.",
        "Lees het voorstel (GET /v1/voorstellen/{nummer}) en laat uw {wie} besluiten.", BOTH,
    ),
    "voorstel_besloten": Gebeurtenis(
        "Voorstel {nummer} is {besluit}", "Over voorstel {nummer} is op {moment} besloten: {besluit}.",
        "Kijk of dit klopt (GET /v1/voorstellen/{nummer}); de historie zegt wie besloot.", FG,
    ),
    "beheer_gegeven": Gebeurtenis(
        "Beheer gegeven aan {aan}", "Uw organisatie liet op {moment} {aan} namens haar beheren, tot {uiterlijk} (mandaat {nummer}).",
        "Klopt dit niet, beëindig het mandaat dan meteen (DELETE /v1/beheermandaten/{nummer}).", FG,
    ),
    "beheer_beeindigd": Gebeurtenis(
        "Beheer door {aan} beëindigd", "Het beheermandaat {nummer} aan {aan} is op {moment} beëindigd.",
        "U hoeft niets te doen.", FG,
    ),
    "contact_gewijzigd": Gebeurtenis(
        "Uw contact {nummer} ({soort}) wordt ergens anders gewaarschuwd",
        "Contact {nummer} ({soort}) is op {moment} gewijzigd: meldingen gaan van nu af naar een ander adres. Dit bericht gaat ook "
        "naar het oude adres.",
        "Klopt dit niet, neem dan contact op met wie bij uw organisatie beheert; de historie zegt wie het deed (GET /v1/wijzigingen).",
        FG,
    ),
    "contact_beeindigd": Gebeurtenis(
        "Uw contact {nummer} ({soort}) wordt niet meer gewaarschuwd",
        "Contact {nummer} ({soort}) is op {moment} beëindigd: meldingen gaan daar niet meer heen. Dit is daar het laatste bericht, op "
        "wat nog onderweg was na.",
        "Klopt dit niet, neem dan contact op met wie bij uw organisatie beheert; de historie zegt wie het deed (GET /v1/wijzigingen).",
        FG,
    ),
    "controlepunt_te_laat": Gebeurtenis(
        "Controlepunten van uw register komen niet aan",
        "Bestemming {nummer} heeft sinds {moment} geen nieuw controlepunt van uw register. Zolang dat zo is, kan daar niemand "
        "zien of het register is veranderd.",
        "Kijk of de bestemming bereikbaar is (GET /v1/controlebestemmingen/{nummer} zegt wat er misgaat).", BOTH, operator=True,
    ),
    "controlepunt_ontbreekt": Gebeurtenis(
        "Uw register heeft geen bestemming voor controlepunten",
        "Een aansluiting staat in productie, en uw organisatie heeft geen plaats gekozen waar controlepunten van haar register heen gaan.",
        "Kies een bestemming (POST /v1/controlebestemmingen).", BOTH, operator=True,
    ),
    "register_fout": Gebeurtenis(
        "Fout in uw register: {code}",
        "Het koppelpunt vond op {moment} een fout bij het verzegelen van uw register (nummer {nummer}, code {code}). Dat kan een "
        "storing zijn, of een teken dat iemand rijen veranderde.",
        "Neem contact op met de operator, en bewaar de controlepunten die u heeft.", ALL, operator=True,
    ),
    "register_fout_beantwoord": Gebeurtenis(
        "Fout {nummer} in uw register is beantwoord",
        "Op {moment} is geantwoord op fout {nummer} (code {code}) in uw register. Controlepunten worden weer getekend, en wat zijn "
        "termijn heeft gehad wordt weer vernietigd.",
        "Laat uw auditor kijken wie antwoordde en waarom (GET /v1/registerfouten); het staat ook in uw historie. Klopt het niet, "
        "neem dan contact op met de operator en bewaar de controlepunten die u heeft.", BOTH, operator=True,
    ),
    "foutantwoord_wacht": Gebeurtenis(
        "Antwoord {nummer} op een fout in uw register wacht op uw auditor",
        "De operator antwoordde op {moment} op {aantal} fouten in uw register. Zolang uw auditor niet instemt, wordt er geen "
        "controlepunt getekend en niets vernietigd.",
        "Laat uw auditor het antwoord lezen (GET /v1/registerfouten/antwoorden) en instemmen of weigeren.", BOTH,
    ),
    "uitkomst_onbekend": Gebeurtenis(
        "Bevragingen met onbekende uitkomst",
        "Van {aantal} bevragingen ({register}) van {dag} is niet bekend wat RvIG ermee deed. RvIG kan ze hebben beantwoord.",
        "Laat uw auditor ze bekijken (GET /v1/onbekende-uitkomsten), en vraag de operator naar de oorzaak.", BOTH, operator=True,
    ),
    "lezingen": Gebeurtenis(
        "Uw register is ongewoon vaak gelezen",
        "Op {dag} is uw register {aantal} keer gelezen; gewoon is {gewoon} keer per dag.",
        "Ga na wie las en waarom: elke lezing is vastgelegd, met haar reden.", FG,
    ),
    "vernietiging_te_laat": Gebeurtenis(
        "Gegevens zijn langer bewaard dan mag",
        "Van uw register is meer dan een week na het einde van de bewaartermijn niet vernietigd: {aantal} maanden of sleutels. Er "
        "staat geen stop op.", "Neem contact op met de operator (GET /v1/vernietigingen/voorgenomen zegt wat het is).", FG, operator=True,
    ),
}  # fmt: skip

REASONS: Final = {
    "accountGeblokkeerd": "het account is geblokkeerd",
    "toegangGeweigerd": "alles wat de aansluiting vraagt wordt geweigerd",
}
BLOCKED: Final = {
    "tenant": "uw hele organisatie",
    "afnemer": "AfnemerID {}",
    "oin": "OIN {}",
    "certificate": "het certificaat met vingerafdruk {}",
    "taaksysteem": "taaksysteem {}",
}
