"""Reads what a tenant has of one kind, by page and by number, and changes named columns of one of them.

For the role `koppelpunt_tenants`, inside a scope of `tenants.scope` (the caller's transaction). A listing names its columns:
those that hold a secret are in none. Raises NotFound, and Changed when the row is of another version than was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from tenants.faults import NotFound
from tenants.versions import Versioned, hold_version


@dataclass(frozen=True, slots=True)
class Listing:
    """One table, as it is shown. `key` numbers (or names) its rows within a tenant, `columns` is all that is read.

    `others` is a condition under which rows of another tenant are shown too, on `$1`, the tenant that looks.
    """

    table: Versioned
    key: str
    columns: str
    changeable: frozenset[str] = frozenset()
    others: str = ""

    @property
    def query(self) -> str:
        whose = f"(tenant_id = $1 OR {self.others})" if self.others else "tenant_id = $1"
        return f"SELECT {self.columns} FROM registry.{self.table} WHERE {whose}"  # noqa: S608 - names of this module


async def list_rows(
    connection: asyncpg.Connection,
    listing: Listing,
    tenant_id: int,
    *,
    after: int | str,
    limit: int,
    only: Mapping[str, Any] | None = None,
) -> Sequence[asyncpg.Record]:
    """Rows in the order of their key, from the first one after `after`; `only` are values that columns must have."""
    conditions = "".join(f" AND {column} = ${number}" for number, column in enumerate(only or {}, start=4))
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        f"{listing.query} AND {listing.key} > $2{conditions} ORDER BY {listing.key} LIMIT $3",
        tenant_id, after, limit, *(only or {}).values(),
    )  # fmt: skip
    return rows


async def find_row(connection: asyncpg.Connection, listing: Listing, tenant_id: int, key: int | str) -> asyncpg.Record:
    """One row. Raises NotFound."""
    row = await connection.fetchrow(f"{listing.query} AND {listing.key} = $2", tenant_id, key)
    if row is None:
        raise NotFound(f"There is no {listing.table} {key} here.")
    return row


async def change_row(
    connection: asyncpg.Connection,
    listing: Listing,
    tenant_id: int,
    key: int | str,
    version: int | None,
    changes: Mapping[str, Any],
) -> None:
    """Give columns of one row other values, if it is still of that version. Raises NotFound, Changed.

    Raises ValueError for a column that the listing does not let change: a fault of the program.
    """
    if unknown := changes.keys() - listing.changeable:
        raise ValueError(f"{sorted(unknown)} of {listing.table} cannot be changed.")
    await hold_version(connection, listing.table, tenant_id, key, version)
    if changes:
        given = ", ".join(f"{column} = ${number}" for number, column in enumerate(changes, start=3))
        await connection.execute(
            f"UPDATE registry.{listing.table} SET {given} WHERE tenant_id = $1 AND {listing.key} = $2",  # noqa: S608 - as above
            tenant_id, key, *changes.values(),
        )  # fmt: skip


AFNEMERS: Final = Listing(
    "afnemer", "afnemer_id", "afnemer_id, oin, name, kind, gemeentecode, mailbox_id, confirmed_by, state, version",
    frozenset({"name", "kind", "gemeentecode", "mailbox_id"}),
)  # fmt: skip
AANSLUITINGEN: Final = Listing(
    "aansluiting", "aansluiting_id",
    "aansluiting_id, afnemer_id, organisation_oin, environment, pattern, state, certificate_id, credential_id, "
    "exception_id, holder_tenant_id, scope_template, resource_server, valid_from, valid_until, version",
    frozenset({"credential_id", "scope_template", "resource_server", "valid_from", "valid_until"}),
)  # fmt: skip
TAAKSYSTEMEN: Final = Listing(
    "taaksysteem", "taaksysteem_id",
    "taaksysteem_id, name, environment, requires, header_profile, vaste_aansluiting_tenant_id, vaste_aansluiting_id, "
    "state, version",
    frozenset({"name", "requires", "header_profile", "vaste_aansluiting_tenant_id", "vaste_aansluiting_id", "state"}),
)  # fmt: skip
SLEUTELS: Final = Listing(
    "taaksysteem_key", "key_id",
    "key_id, taaksysteem_id, kind, client_id, idp_id, idp_client, thumbprint, oin, jwks, valid_from, valid_until, state, "
    "version",
    frozenset({"valid_until"}),
)  # fmt: skip
IDPS: Final = Listing(
    "idp", "idp_id",
    "idp_id, name, issuer, jwks_url, audience, algorithms, clock_skew_seconds, claim_taaksysteem, claim_user, "
    "claim_roles, claim_afnemer_id, state, version",
    frozenset({
        "name", "issuer", "jwks_url", "audience", "algorithms", "clock_skew_seconds", "claim_taaksysteem",
        "claim_user", "claim_roles", "claim_afnemer_id",
    }),
)  # fmt: skip
MACHTIGINGEN: Final = Listing(
    "machtiging", "machtiging_id",
    "tenant_id, machtiging_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, mandate_id, doelbinding, grondslag, "
    "ontvanger, verwerkingsactiviteit, rights, conditions, add_bsn, leave_out_geheimhouding, protocol_note, "
    "protocol_note_article, inzage, inzage_article, policy_requested_by, policy_granted_by, valid_from, valid_until, "
    "withdrawn_at, version",
    frozenset({"valid_until"}),
    others="taaksysteem_tenant_id = $1",
)  # fmt: skip
MANDATEN: Final = Listing(
    "mandate", "mandate_id",
    "tenant_id, mandate_id, to_tenant_id, reason, header_choice, valid_from, valid_until, withdrawn_at, version",
    frozenset({"header_choice", "valid_until"}),
    others="to_tenant_id = $1",
)  # fmt: skip
MANDAATVERZOEKEN: Final = Listing(
    "mandate_request", "request_id",
    "tenant_id, request_id, to_tenant_id, reason, header_choice, valid_until, asked_by, asked_at, state, decided_by, "
    "decided_at, mandate_id, version",
    others="to_tenant_id = $1",
)  # fmt: skip
HEADERPROFIELEN: Final = Listing("header_profile", "name", "name, headers, state, version", frozenset({"headers"}))
OVEREENKOMSTEN: Final = Listing(
    "agreement", "agreement_id",
    "agreement_id, kind, afnemer_id, party, reference, products, signed_on, valid_until, grace_until, grace_reason, "
    "withdrawn_at, version",
    frozenset({"reference", "valid_until", "grace_until", "grace_reason"}),
)  # fmt: skip
SNELHEIDSLIMIETEN: Final = Listing(
    "rate_limit", "rate_limit_id", "rate_limit_id, taaksysteem_id, per_second, burst, version",
    frozenset({"per_second", "burst"}),
)  # fmt: skip
UITLENINGEN: Final = Listing(
    "certificate_lending", "lending_id",
    "tenant_id, lending_id, to_tenant_id, reason, valid_from, valid_until, withdrawn_at, version",
    frozenset({"valid_until"}),
    others="to_tenant_id = $1",
)  # fmt: skip
UITZONDERINGEN: Final = Listing(
    "certificate_exception", "exception_id",
    "exception_id, afnemer_id, organisation_oin, holder_tenant_id, holder_oin, lending_id, reason, article, granted_by, "
    "valid_from, valid_until, withdrawn_at, version",
)  # fmt: skip
AUTORISATIEBESLUITEN: Final = Listing(
    "autorisatiebesluit", "besluit_id",
    "besluit_id, afnemer_id, start_date, end_date, medium, rubrieken, version",
    frozenset({"end_date", "rubrieken"}),
)  # fmt: skip
CONTROLEBESTEMMINGEN: Final = Listing(
    "checkpoint_destination", "destination_id", "destination_id, kind, target, every_seconds, state, version",
    frozenset({"every_seconds"}),
)  # fmt: skip
LOGBOEKBESTEMMINGEN: Final = Listing(
    "logboek_destination", "destination_id", "destination_id, url, header, has_secret, from_start, state, version",
    frozenset({"url", "header", "secret_sealed"}),
)  # fmt: skip
