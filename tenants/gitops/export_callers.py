"""The part of a document that says who may call: IDPs, taaksystemen with their proofs, mandates, machtigingen. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from tenants.gitops.export_rows import Rows, bare, moment_of, without_none
from tenants.history.standing import Row

_IDP: Final = ("name", "issuer", "jwks_url", "audience", "algorithms")
_CLAIMS: Final = ("claim_taaksysteem", "claim_user", "claim_roles", "claim_afnemer_id")
_POLICY: Final = {
    "leave_out_geheimhouding": False,
    "protocol_note": "yes",
    "protocol_note_article": None,
    "inzage": "shown",
    "inzage_article": None,
}


def callers_part(rows: Rows, all_: Mapping[int, Rows], now: datetime) -> dict[str, Any]:
    """The parts `idps`, `taaksystemen`, `mandates` and `machtigingen` of one tenant."""
    active = [one for one in rows["taaksysteem"] if one["state"] == "active"]
    order = sorted(active, key=lambda one: (one["environment"], one["name"]))
    return {
        "idps": [_idp(one) for one in sorted(rows["idp"], key=lambda one: one["name"]) if one["state"] == "active"],
        "taaksystemen": [_taaksysteem(rows, all_, one, now) for one in order],
        "mandates": list(_mandates(rows, all_, now)),
        "machtigingen": list(_machtigingen(rows, all_, now)),
    }


def _idp(one: Row) -> dict[str, Any]:
    return without_none(
        **{name: one[name] for name in _IDP},
        clock_skew=one["clock_skew_seconds"],
        **{name: one[name] for name in _CLAIMS},
    )


def _taaksysteem(rows: Rows, all_: Mapping[int, Rows], one: Row, now: datetime) -> dict[str, Any]:
    keys = [
        key
        for key in rows.of("taaksysteem_key", "taaksysteem_id", one["taaksysteem_id"])
        if key["state"] == "active" and _holds(key, now)
    ]
    clients = sorted(key["client_id"] for key in keys if key["kind"] == "client-secret")
    return without_none(
        name=one["name"],
        environment=one["environment"],
        api_key=True if any(key["kind"] == "api-key" for key in keys) else None,
        gateway_clients=[{"client_id": name} for name in clients] or None,
        vaste_aansluiting=_vaste_aansluiting(rows, all_, one),
        header_profile=bare(one, "header_profile", "none"),
        proofs=_proofs(rows, one, keys) or None,
    )


def _vaste_aansluiting(rows: Rows, all_: Mapping[int, Rows], one: Row) -> dict[str, Any] | None:
    owner = all_.get(one["vaste_aansluiting_tenant_id"] or 0)
    found = None if owner is None else owner.find("aansluiting", "aansluiting_id", one["vaste_aansluiting_id"])
    if owner is None or found is None or found["state"] == "beeindigd":
        return None
    return without_none(
        afnemer_id=found["afnemer_id"], pattern=found["pattern"], tenant=None if owner is rows else owner.oin
    )


def _proofs(rows: Rows, one: Row, keys: list[Row]) -> dict[str, Any]:
    names = {idp["idp_id"]: idp["name"] for idp in rows["idp"]}
    clients = [{"idp": names[key["idp_id"]], "client": key["idp_client"]} for key in keys if key.get("idp_id")]
    certificates = [
        {"oin": key["oin"]} if key.get("oin") else {"thumbprint": str(key["thumbprint"]).removeprefix("\\x")}
        for key in keys
        if key.get("oin") or key.get("thumbprint")
    ]
    signing = [{"client_id": key["client_id"], "jwks": key["jwks"]} for key in keys if key.get("jwks")]
    return without_none(
        idp_clients=sorted(clients, key=lambda pair: (pair["idp"], pair["client"])) or None,
        certificates=sorted(certificates, key=str) or None,
        signing_clients=sorted(signing, key=lambda pair: str(pair["client_id"])) or None,
        requires=sorted(one.get("requires") or ()) or None,
    )


def _mandates(rows: Rows, all_: Mapping[int, Rows], now: datetime) -> Iterator[dict[str, Any]]:
    seen = set()
    for one in sorted(rows["mandate"], key=lambda one: (all_[one["to_tenant_id"]].oin, one["mandate_id"])):
        if one["withdrawn_at"] is None and _holds(one, now) and one["to_tenant_id"] not in seen:
            seen.add(one["to_tenant_id"])
            yield without_none(
                to=all_[one["to_tenant_id"]].oin,
                reason=one["reason"],
                valid_from=moment_of(one["valid_from"]),
                valid_until=moment_of(one["valid_until"]),
                header_choice=bare(one, "header_choice", usual=False),
            )


def _machtigingen(rows: Rows, all_: Mapping[int, Rows], now: datetime) -> Iterator[dict[str, Any]]:
    found = []
    for one in rows["machtiging"]:
        aansluiting = rows.find("aansluiting", "aansluiting_id", one["aansluiting_id"])
        other = all_[one["taaksysteem_tenant_id"]]
        taaksysteem = other.find("taaksysteem", "taaksysteem_id", one["taaksysteem_id"])
        if (
            one["withdrawn_at"] is not None
            or not _holds(one, now)
            or aansluiting is None
            or aansluiting["state"] == "beeindigd"
            or taaksysteem is None
            or taaksysteem["state"] != "active"
        ):
            continue
        found.append(_machtiging(one, aansluiting, taaksysteem, None if other is rows else other.oin))
    yield from sorted(
        found,
        key=lambda one: tuple(str(one[name]) for name in ("afnemer_id", "environment", "taaksysteem", "doelbinding")),
    )


def _machtiging(one: Row, aansluiting: Row, taaksysteem: Row, tenant: str | None) -> dict[str, Any]:
    policy = without_none(**{name: bare(one, name, usual) for name, usual in _POLICY.items()})
    return without_none(
        afnemer_id=aansluiting["afnemer_id"],
        environment=aansluiting["environment"],
        pattern=aansluiting["pattern"],
        taaksysteem=without_none(name=taaksysteem["name"], tenant=tenant),
        doelbinding=one["doelbinding"],
        grondslag=one["grondslag"] or None,
        ontvanger=one["ontvanger"] or None,
        verwerkingsactiviteit=one["verwerkingsactiviteit"],
        rights=one["rights"],
        conditions=one.get("conditions") or None,
        add_bsn=bare(one, "add_bsn", usual=False),
        valid_from=moment_of(one["valid_from"]),
        valid_until=moment_of(one["valid_until"]),
        register_policy=policy or None,
    )


def _holds(one: Row, now: datetime) -> bool:
    until = moment_of(one["valid_until"])
    return until is None or until > now
