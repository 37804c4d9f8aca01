"""The document of tenants, as `registry apply` reads it, from the configuration as the history gives it. Pure.

Written is what is in force: what was withdrawn, ended or is over does not come back by being applied, and what is half way
(a staged certificate, a credential that was not tried) is no configuration yet. Secrets are references to files, which the
document names and does not hold. Keys of callers are named and made anew; who administers a tenant is not in it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from tenants.gitops.export_callers import callers_part
from tenants.gitops.export_rows import Rows, moment_of, without_none
from tenants.history.standing import DIGEST
from tenants.register_presets import years_kept

_USED: Final = frozenset({"concept", "proef", "productie", "geblokkeerd"})
_ENDED: Final = frozenset({"requested", "retired", "revoked"})
_LONGEST_NAME: Final = 150


def document_of(tenants: Mapping[int, Rows], now: datetime, *, only: str | None = None) -> dict[str, Any]:
    """The document of all these tenants, or of the one with this OIN; references to the others go by OIN and name.

    `now` is the moment at which the configuration stood: what was over by then is left out.
    """
    shown = sorted(tenants.values(), key=lambda one: one.oin)
    return {
        "tenants": [
            _tenant(one, tenants, now) for one in shown if only in {None, one.oin} and one.tenant["state"] == "active"
        ]
    }


def _tenant(rows: Rows, all_: Mapping[int, Rows], now: datetime) -> dict[str, Any]:
    tenant = rows.tenant
    aansluitingen = [one for one in rows["aansluiting"] if one["state"] in _USED]
    held = {
        "oin": tenant["oin"],
        "name": tenant["name"],
        "kind": tenant["kind"],
        "record_content": tenant["record_content"],
        "retention_years": years_kept(tenant["kind"], tenant["retention_years"]),
        "afnemers": [_afnemer(rows, one) for one in rows["afnemer"] if _stands(one)],
        "certificates": list(_certificates(rows, all_)),
        "credentials": list(_credentials(rows, aansluitingen)),
        "agreements": [_agreement(one) for one in rows["agreement"] if one.get("withdrawn_at") is None],
        "certificate_lendings": [
            without_none(
                to=all_[one["to_tenant_id"]].oin, reason=one["reason"], valid_from=moment_of(one["valid_from"]),
                valid_until=moment_of(one["valid_until"]),
            )
            for one in _first_of_each(_in_force(rows["certificate_lending"], now), "to_tenant_id")
        ],
        "certificate_exceptions": [
            without_none(
                afnemer_id=one["afnemer_id"], holder=one["holder_oin"], reason=one["reason"], article=one["article"],
                granted_by=one["granted_by"], valid_from=moment_of(one["valid_from"]), valid_until=moment_of(one["valid_until"]),
            )
            for one in _first_of_each(_in_force(rows["certificate_exception"], now), "afnemer_id", "holder_oin")
        ],
        "aansluitingen": [_aansluiting(rows, all_, one) for one in aansluitingen],
        "header_profiles": [{"name": one["name"], **one["headers"]} for one in rows["header_profile"] if _stands(one)],
        "checkpoint_destinations": [
            without_none(kind=one["kind"], target=one["target"], every_seconds=one["every_seconds"])
            for one in rows["checkpoint_destination"]
            if one["state"] == "active"
        ],
        "doelbindingen": [{"doelbinding": one["doelbinding"], "words": one["words"]} for one in rows["doelbinding"]],
        "contacts": [
            without_none(
                kind=one["kind"], name=one["name"], email=one["email"], phone=one["phone"], webhook=one["webhook_url"]
            )
            for one in rows["contact"]
            # Of a past moment the history has digests of them, by which nobody can be told anything.
            if one["state"] == "active" and not one["name"].startswith(DIGEST)
        ],
        **callers_part(rows, all_, now),
    }  # fmt: skip
    return {name: value for name, value in held.items() if value not in ([], None)}


def _stands(one: Mapping[str, Any]) -> bool:
    """Whether it had not ended. The history of before it could end says nothing of that."""
    return bool(one.get("state", "active") == "active")


def _afnemer(rows: Rows, one: Mapping[str, Any]) -> dict[str, Any]:
    tenant = rows.tenant
    besluiten = [
        without_none(
            start=row["start_date"], end=row["end_date"], medium=row["medium"], rubrieken=" ".join(row["rubrieken"])
        )
        for row in sorted(
            rows.of("autorisatiebesluit", "afnemer_id", one["afnemer_id"]),
            key=lambda row: (row["start_date"], row["medium"]),
        )
    ]
    return without_none(
        afnemer_id=one["afnemer_id"],
        oin=None if one["oin"] == tenant["oin"] else one["oin"],
        name=None if one["name"] == tenant["name"] else one["name"],
        kind=None if one["kind"] == tenant["kind"] else one["kind"],
        gemeentecode=one["gemeentecode"],
        mailbox_id=one["mailbox_id"],
        autorisatiebesluiten=besluiten or None,
    )


def certificate_name(row: Mapping[str, Any]) -> str:
    """What a certificate is called in a document: the beginning of its fingerprint."""
    return str(row["fingerprint"]).removeprefix("\\x")[:16]


def _certificates(rows: Rows, all_: Mapping[int, Rows]) -> Iterator[dict[str, Any]]:
    used = {
        one["certificate_id"]
        for other in all_.values()
        for one in other["aansluiting"]
        if one["state"] in _USED
        and (one.get("holder_tenant_id") or other.tenant["tenant_id"]) == rows.tenant["tenant_id"]
    }
    for one in sorted(rows["certificate"], key=certificate_name):
        if one["state"] not in _ENDED and (one["state"] == "active" or one["certificate_id"] in used):
            name = certificate_name(one)
            yield without_none(
                name=name,
                chain=one["chain_pem"],
                key=f"file:keys/{name}.key",
                organisation_oin=None if one["organisation_oin"] == rows.oin else one["organisation_oin"],
            )


def _identity(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return one["environment"], one["afnemer_id"], one["account"], one["client_id"]


def credential_name(row: Mapping[str, Any]) -> str:
    """What a credential is called in a document, and no other one. Versions of one secret have one name."""
    return "+".join(quote(part, safe="") for part in _identity(row) if part)


def secret_place(name: str) -> str:
    """Where the secret of a credential must lie, in a file whose name every file system takes."""
    short = name if len(name) <= _LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()
    return f"file:secrets/{short}"


def _credentials(rows: Rows, aansluitingen: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    used = {one["credential_id"] for one in aansluitingen}
    found: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}
    for one in sorted(rows["credential"], key=lambda row: (row["credential_id"] in used, row["credential_id"])):
        if one["state"] != "retired" and (one["state"] == "active" or one["credential_id"] in used):
            found[_identity(one)] = one
    for key in sorted(found):
        one = found[key]
        yield without_none(
            name=credential_name(one),
            afnemer_id=one["afnemer_id"],
            environment=one["environment"],
            client_id=one["client_id"],
            secret=secret_place(credential_name(one)),
            authentication=one["authentication"],
            account=one["account"] or None,
            secret_valid_until=moment_of(one.get("secret_valid_until")),
        )


def _aansluiting(rows: Rows, all_: Mapping[int, Rows], one: Mapping[str, Any]) -> dict[str, Any]:
    holder = all_[one.get("holder_tenant_id") or rows.tenant["tenant_id"]]
    certificate = holder.find("certificate", "certificate_id", one["certificate_id"])
    credential = rows.find("credential", "credential_id", one["credential_id"])
    return without_none(
        afnemer_id=one["afnemer_id"],
        environment=one["environment"],
        pattern=one["pattern"],
        certificate=None if certificate is None else certificate_name(certificate),
        credential=None if credential is None else credential_name(credential),
        certificate_of=None if holder is rows else holder.oin,
        state=one["state"],
        scope_template=one["scope_template"],
        resource_server=one["resource_server"],
        valid_from=moment_of(one["valid_from"]),
        valid_until=moment_of(one["valid_until"]),
        steps=[
            without_none(step=row["step"], day=row["done_on"], note=row["note"])
            for row in sorted(
                rows.of("aansluiting_stap", "aansluiting_id", one["aansluiting_id"]), key=lambda row: str(row["step"])
            )
        ]
        or None,
    )


def _agreement(one: Mapping[str, Any]) -> dict[str, Any]:
    names = ("kind", "party", "signed_on", "valid_until", "grace_until", "grace_reason", "afnemer_id")
    named = {name: one[name] for name in names}
    return without_none(**named, reference=one["reference"] or None, products=one["products"] or None)


def _in_force(rows: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[Mapping[str, Any]]:
    for one in rows:
        until = moment_of(one["valid_until"])
        if one.get("withdrawn_at") is None and (until is None or until > now):
            yield one


def _first_of_each(rows: Iterable[Mapping[str, Any]], *names: str) -> Iterator[Mapping[str, Any]]:
    """The oldest of those that say the same: by these a document knows them, so that it can name each but once."""
    seen = set()
    for one in rows:
        if (key := tuple(one[name] for name in names)) not in seen:
            seen.add(key)
            yield one
