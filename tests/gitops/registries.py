"""Whole registries, as documents that the product reads: any number of tenants, with everything that a document can say."""

import functools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from gateway.pki import Issued, make_pki

OINS = ("00000001001000001000", "00000001002000002000", "00000003003000003000", "00000004004000004000")
SECRET = "zeer-geheim"
PKI = make_pki()
TODAY = datetime.now(UTC).date()
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)
JWK = {"kty": "EC", "crv": "P-256", "kid": "een", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
       "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}  # fmt: skip
STEPS = ("autorisatiebesluit", "certificaat_naar_rvig", "inloggegevens_ontvangen", "proef_getest", "productie_akkoord")
RIGHTS: tuple[dict[str, Any], ...] = (
    {"personen": {}},
    {"personen": {"fields": ["naam", "geboorte.datum"], "inclusiefOverledenPersonen": False}, "bewoningen": {}},
    {"personen": {"restrict": {"gemeenteVanInschrijving": ["0518", "0599"]}}},
    {"berichten": {"operations": ["list", "fetch"]}},
)
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"user": True, "roles": ["raadpleger"], "rate": 2.5},
    {"daily_quota": 2000, "hours": [{"days": ["ma", "di"], "from": "07:00", "until": "24:00"}]},
)

# What YAML, or a reader in a hurry, would take for something else.
_TRAPS = st.sampled_from(
    [
        "ja",
        "yes",
        "on",
        "null",
        "~",
        "0123",
        "1e3",
        "2026-01-01",
        "a: b",
        "- x",
        "#x",
        "'",
        '"',
        "| x",
        "é€😀",
        "% x",
        " x ",
    ]
)
_WORDS = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=30)
LINES = (_TRAPS | _WORDS).map(lambda text: f"{text}a")
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=24)
DAYS = st.dates(date(2019, 1, 1), date(2025, 12, 31))
ENDS = st.none() | st.integers(1, 300).map(lambda days: (LATER + timedelta(days=days)).isoformat())
ENVIRONMENTS = st.sampled_from(("proef", "productie"))


@functools.cache
def issued(oin: str, number: int) -> Issued:
    return PKI.issue_client(oin, f"Organisatie {number}")


def whole(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def some(draw: st.DrawFn, most: int) -> range:
    return range(draw(st.integers(0, most)))


@st.composite
def registries(draw: st.DrawFn) -> dict[str, Any]:
    """A document of one to four tenants. Its certificates and secrets lie where `write_files` puts them."""
    oins = OINS[: draw(st.integers(1, len(OINS)))]
    tenants = [_tenant(draw, place, oin) for place, oin in enumerate(oins)]
    for tenant in tenants:
        others = [one for one in tenants if one is not tenant]
        _relations(draw, tenant, others)
    for tenant in tenants:
        _use(draw, tenant, [one for one in tenants if one is not tenant])
    return {"tenants": [{name: value for name, value in one.items() if value != []} for one in tenants]}


def _tenant(draw: st.DrawFn, place: int, oin: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(("gemeente", "overheidsorgaan", "derde", "samenwerkingsverband", "leverancier")))
    afnemers = [_afnemer(draw, f"9{place}{number:04d}", kind) for number in some(draw, 3)]
    tenant = {
        "oin": oin, "name": draw(LINES), "kind": kind, "record_content": draw(st.sampled_from(("whole", "rubrieken"))),
        "retention_years": draw(st.integers(20, 40)),
        "afnemers": afnemers,
        "certificates": [
            {"name": f"c{number}", "chain": f"{oin}-{number}.pem", "key": f"file:{oin}-{number}.key"} for number in some(draw, 2)
        ],
        "credentials": [],
        "aansluitingen": [],
        "taaksystemen": [],
        "agreements": [_agreement(draw, afnemers) for _ in some(draw, 4)],
        "header_profiles": [
            {"name": f"eigen-{number}", "based_on": "iconnect",
             "roles": draw(st.sampled_from(({}, {"user": {"obligatory": True}}, {"user": None})))}
            for number in some(draw, 2)
        ],
        "idps": [_idp(draw, f"{place}-{number}") for number in some(draw, 2)],
        "checkpoint_destinations": [
            whole(kind="email", target=f"fg{number}@{place}.example", every_seconds=draw(st.none() | st.integers(60, 604_800)))
            for number in some(draw, 2)
        ],
        "doelbindingen": [
            {"doelbinding": one, "words": f"voor {one}"} for one in sorted(draw(st.sets(LINES, max_size=2)))
        ],
        "contacts": [_contact(draw) for _ in some(draw, 4)],
        "mandates": [], "machtigingen": [], "certificate_lendings": [], "certificate_exceptions": [],
    }  # fmt: skip
    for one in afnemers:
        _identities(draw, tenant, one)
    names = sorted(draw(st.sets(st.tuples(LINES, ENVIRONMENTS), max_size=3)))
    tenant["taaksystemen"] = [
        _taaksysteem(draw, tenant, f"{place}-{number}", *name) for number, name in enumerate(names)
    ]
    return tenant


def _afnemer(draw: st.DrawFn, afnemer_id: str, tenant_kind: str) -> dict[str, Any]:
    kinds = ("gemeente", "overheidsorgaan", "derde", "samenwerkingsverband")
    kind = tenant_kind if tenant_kind in kinds and draw(st.booleans()) else draw(st.sampled_from(kinds))
    starts = sorted(draw(st.sets(DAYS, max_size=2)))
    return whole(
        afnemer_id=afnemer_id, kind=kind, name=draw(st.none() | LINES), gemeentecode="0518" if kind == "gemeente" else None,
        mailbox_id=draw(st.none() | st.just(f"{afnemer_id}0")),
        autorisatiebesluiten=[
            whole(start=start.isoformat(), end=draw(st.sampled_from((None, "2031-01-01"))), medium=draw(st.sampled_from("NA")),
                  rubrieken=draw(st.sampled_from(("10110", "010110 PAAD01 580810"))))
            for start in starts
        ],
    )  # fmt: skip


def _identities(draw: st.DrawFn, tenant: dict[str, Any], afnemer: dict[str, Any]) -> None:
    certificates = [one["name"] for one in tenant["certificates"]]
    for environment, pattern in draw(
        st.sets(st.tuples(ENVIRONMENTS, st.sampled_from(("standaard", "saas", "koppelpunt"))), max_size=3).map(sorted)
    ):
        name = f"{afnemer['afnemer_id']} {environment} {pattern}"
        credential = certificate = None
        if draw(st.booleans()):
            credential = name
            tenant["credentials"].append(
                whole(
                    name=name, afnemer_id=afnemer["afnemer_id"], environment=environment, client_id=draw(NAMES) + f"~{pattern}",
                    secret="file:secret", authentication=draw(st.sampled_from(("body", "basic"))),
                    account=draw(st.sampled_from(("", "a-b", "c/d"))), secret_valid_until=draw(ENDS),
                )
            )  # fmt: skip
        if draw(st.booleans()) and certificates:
            certificate = draw(st.sampled_from(certificates))
        states = ("concept", "proef", "productie", "geblokkeerd") if certificate and credential else ("concept",)
        tenant["aansluitingen"].append(
            whole(
                afnemer_id=afnemer["afnemer_id"], environment=environment, pattern=pattern, certificate=certificate,
                credential=credential, state=draw(st.sampled_from(states)), scope_template=draw(st.none() | LINES),
                resource_server=draw(st.none() | LINES), valid_from=draw(st.sampled_from((None, "2024-02-29T12:00:00+01:00"))),
                valid_until=draw(ENDS),
                steps=[
                    whole(step=step, day=draw(DAYS).isoformat(), note=draw(st.none() | LINES))
                    for step in draw(st.sets(st.sampled_from(STEPS)).map(sorted))
                ],
            )
        )  # fmt: skip


def _taaksysteem(draw: st.DrawFn, tenant: dict[str, Any], number: str, name: str, environment: str) -> dict[str, Any]:
    profiles = [one["name"] for one in tenant["header_profiles"]]
    idps = [one["name"] for one in tenant["idps"]]
    proofs = whole(
        idp_clients=[{"idp": one, "client": f"{number} {draw(LINES)}"} for one in idps],
        certificates=draw(
            st.sampled_from(([], [{"oin": OINS[0]}], [{"thumbprint": f"{ord(number[0]) * 7:02x}" * 32}]))
        ),
        signing_clients=[{"client_id": f"s-{number}", "jwks": {"keys": [JWK]}}] if draw(st.booleans()) else None,
        requires=draw(st.sampled_from((None, ["api-key"], ["certificate", "token"]))),
    )
    if any("thumbprint" in one for one in proofs.get("certificates", ())):
        proofs["certificates"] = [{"thumbprint": number.encode().hex().ljust(64, "0")}]
    return whole(
        name=name, environment=environment, api_key=draw(st.booleans()) or None,
        gateway_clients=[{"client_id": f"g-{number}"}] if draw(st.booleans()) else None,
        header_profile=draw(st.sampled_from((None, "iconnect", *profiles))), proofs=proofs,
    )  # fmt: skip


def _agreement(draw: st.DrawFn, afnemers: list[dict[str, Any]]) -> dict[str, Any]:
    kind = draw(st.sampled_from(("contract", "verwerkersovereenkomst", "convenant", "aanvullende_autorisatie")))
    ends = draw(st.booleans())
    grace = ends and draw(st.booleans())
    return whole(
        # Few names, so that several agreements differ in hardly anything.
        kind=kind, party=draw(st.sampled_from(("Koppelpunt BV", "x")) | LINES),
        signed_on=draw(st.sampled_from(("2024-01-01", "2025-01-01"))), valid_until="2026-06-01" if ends else None,
        grace_until="2027-01-01" if grace else None, grace_reason=draw(LINES) if grace else None,
        afnemer_id=draw(st.none() | st.sampled_from([one["afnemer_id"] for one in afnemers])) if afnemers else None,
        reference=draw(st.none() | LINES), products=["gezag", "leeftijd"] if kind == "aanvullende_autorisatie" else None,
    )  # fmt: skip


def _idp(draw: st.DrawFn, number: str) -> dict[str, Any]:
    return whole(
        name=f"idp-{number}", issuer=f"https://idp-{number}.example", jwks_url=f"https://idp-{number}.example/jwks",
        audience=draw(NAMES), algorithms=draw(st.sampled_from((None, ["ES256"], ["PS512", "RS256"]))),
        clock_skew=draw(st.integers(0, 120)), claim_taaksysteem=draw(LINES), claim_user=draw(st.none() | LINES),
        claim_afnemer_id=draw(st.none() | LINES),
    )  # fmt: skip


def _contact(draw: st.DrawFn) -> dict[str, Any]:
    webhook = draw(st.none() | st.just("https://alarm.example/meldingen"))
    email = "iemand@voorbeeld.example" if webhook is None or draw(st.sampled_from((True, False))) else None
    return whole(
        kind=draw(st.sampled_from(("technisch", "fg", "nood"))), name=draw(st.just("Piket") | LINES), email=email,
        phone=draw(st.sampled_from((None, "+31 10 000 0000"))), webhook=webhook,
    )  # fmt: skip


def _relations(draw: st.DrawFn, tenant: dict[str, Any], others: list[dict[str, Any]]) -> None:
    for other in others:
        if draw(st.booleans()):
            tenant["mandates"].append(
                whole(to=other["oin"], reason=draw(LINES), header_choice=draw(st.sampled_from((None, True, False))), valid_until=draw(ENDS))
            )  # fmt: skip
        if draw(st.booleans()):
            tenant["certificate_lendings"].append(whole(to=other["oin"], reason=draw(LINES), valid_until=draw(ENDS)))


def _use(draw: st.DrawFn, tenant: dict[str, Any], others: list[dict[str, Any]]) -> None:
    lenders = [one for one in others if any(it["to"] == tenant["oin"] for it in one["certificate_lendings"])]
    for afnemer in tenant["afnemers"]:
        if lenders and "gemeente" not in {tenant["kind"], afnemer["kind"]} and draw(st.booleans()):
            holder = draw(st.sampled_from(lenders))
            tenant["certificate_exceptions"].append(
                whole(afnemer_id=afnemer["afnemer_id"], holder=holder["oin"], reason=draw(LINES), article="brief, par. 2",
                      granted_by=draw(LINES), valid_until=LATER.isoformat())
            )  # fmt: skip
            _borrow(draw, tenant, holder, afnemer["afnemer_id"])
    mandated = [one for one in others if any(it["to"] == one["oin"] for it in tenant["mandates"])]
    mandating = [one for one in others if any(it["to"] == tenant["oin"] for it in one["mandates"])]
    for taaksysteem in tenant["taaksystemen"]:
        places = [
            whole(afnemer_id=it["afnemer_id"], pattern=it["pattern"], tenant=None if one is tenant else one["oin"])
            for one in (tenant, *mandating)
            for it in one["aansluitingen"]
            if it["environment"] == taaksysteem["environment"]
        ]
        if draw(st.booleans()) and places:
            taaksysteem["vaste_aansluiting"] = draw(st.sampled_from(places))
    tenant["machtigingen"] = [
        _machtiging(draw, tenant, aansluiting, whole(name=it["name"], tenant=None if one is tenant else one["oin"]))
        for aansluiting in tenant["aansluitingen"]
        for one in (tenant, *mandated)
        for it in one["taaksystemen"]
        if it["environment"] == aansluiting["environment"]
        for _ in some(draw, 2)
    ]


def _borrow(draw: st.DrawFn, tenant: dict[str, Any], holder: dict[str, Any], afnemer_id: str) -> None:
    names = [one["name"] for one in holder["certificates"]]
    for one in tenant["aansluitingen"]:
        if draw(st.booleans()) and names and one["afnemer_id"] == afnemer_id:
            one |= {"certificate": draw(st.sampled_from(names)), "certificate_of": holder["oin"]}


def _machtiging(
    draw: st.DrawFn, tenant: dict[str, Any], aansluiting: dict[str, Any], taaksysteem: dict[str, Any]
) -> dict[str, Any]:
    kinds = {one["afnemer_id"]: one["kind"] for one in tenant["afnemers"]}
    is_organ = kinds[aansluiting["afnemer_id"]] == "overheidsorgaan"
    policy = draw(
        st.sampled_from(({}, {"inzage": "refused", "inzage_article": "Besluit BRP 46, onder a"}))
        | st.just({"protocol_note": "no", "protocol_note_article": "Besluit BRP 42, onder b"} if is_organ else {})
    )
    return whole(
        afnemer_id=aansluiting["afnemer_id"], environment=aansluiting["environment"], pattern=aansluiting["pattern"],
        # Few doelbindingen, so that several machtigingen are for the same one.
        taaksysteem=taaksysteem, doelbinding=draw(st.just("uitvoering") | LINES), grondslag="Wet BRP art. 3.5",
        ontvanger=draw(LINES), verwerkingsactiviteit=draw(LINES), rights=draw(st.sampled_from(RIGHTS)),
        conditions=draw(st.sampled_from(CONDITIONS)), add_bsn=draw(st.booleans()) or None, valid_until=draw(ENDS),
        valid_from=draw(st.sampled_from((None, "2024-01-01T00:00:00+00:00"))), register_policy=policy,
    )  # fmt: skip


def write_files(document: dict[str, Any], directory: Path) -> None:
    """Put every certificate, key and secret of a document, made here or exported, where it says that they lie."""
    keys = {issued(oin, number).chain_pem.decode(): issued(oin, number) for oin in OINS for number in range(2)}
    for tenant in document["tenants"]:
        for one in tenant.get("certificates", ()):
            if one["chain"].endswith(".pem"):
                issued(tenant["oin"], int(one["name"].removeprefix("c"))).save(
                    directory, one["chain"].removesuffix(".pem")
                )
                continue
            place = directory / one["key"].removeprefix("file:")
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(keys[one["chain"]].key_pem)
        for one in tenant.get("credentials", ()):
            place = directory / one["secret"].removeprefix("file:")
            place.parent.mkdir(exist_ok=True)
            place.write_text(SECRET)
