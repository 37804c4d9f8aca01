"""The part of an onboarding that says whom a tenant wants told: its contacts. In a tenant's scope.

The secret of a webhook is made here, and shown once. A contact that is not named stays: nobody stops being told by being
left out.
"""

from typing import Annotated, Literal

import asyncpg
from pydantic import AfterValidator, model_validator

from tenants.api.addresses import Mail, Telefoon, Webhook
from tenants.api.shapes import one_line
from tenants.notices.contacts import add_contact, renew_webhook
from tenants.onboarding_pairing import pair
from tenants.onboarding_shapes import Line, Part
from tenants.onboarding_work import IssuedSecret, Work


class ContactPart(Part):
    """technisch: who keeps it running; fg: who watches over it; nood: who is needed at night. Told by mail, webhook or both."""

    kind: Literal["technisch", "fg", "nood"]
    name: Annotated[Line, AfterValidator(one_line)]
    email: Mail | None = None
    phone: Telefoon | None = None
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "ContactPart":
        if self.email is None and self.webhook is None:
            raise ValueError("a contact has an email or a webhook")
        return self


async def apply_contacts(work: Work, oin: str, parts: tuple[ContactPart, ...]) -> None:
    """Make contacts, or bring them to what the document says. One is known by its kind and name."""
    if not parts:
        return
    tenant_id = work.tenants[oin]
    rows = await work.connection.fetch(
        "SELECT contact_id, kind, name, email, phone, webhook_url FROM registry.contact "
        "WHERE tenant_id = $1 AND state = 'active' ORDER BY contact_id",
        tenant_id,
    )
    for part, row in pair(
        parts,
        rows,
        name_of=lambda one: (one.kind, one.name),
        name_of_known=lambda row: (row["kind"], row["name"]),
        is_same=lambda one, row: _values(one) == (row["email"], row["phone"], row["webhook_url"]),
    ):
        if row is None:
            values = {"name": part.name, "email": part.email, "phone": part.phone, "webhook_url": part.webhook}
            _, secret = await add_contact(work.connection, tenant_id, work.notices, part.kind, values)
            work.made["contact"] += 1
        elif _values(part) != (row["email"], row["phone"], row["webhook_url"]):
            secret = await _change(work, tenant_id, row, part)
            work.changed["contact"] += 1
        else:
            continue
        work.touched.append(part)
        if secret is not None:
            work.secrets.append(IssuedSecret(oin, part.name, "webhook", part.webhook or "", secret))


async def _change(work: Work, tenant_id: int, row: asyncpg.Record, part: ContactPart) -> str | None:
    number, secret = row["contact_id"], None
    if part.webhook is not None and part.webhook != row["webhook_url"]:
        secret = await renew_webhook(work.connection, tenant_id, work.notices, number, part.webhook)
    await work.connection.execute(
        "UPDATE registry.contact SET email = $3, phone = $4, webhook_url = $5, "
        "  webhook_key = CASE WHEN $5::text IS NOT NULL THEN webhook_key END "
        "WHERE tenant_id = $1 AND contact_id = $2 AND (email, phone, webhook_url) IS DISTINCT FROM ($3, $4, $5)",
        tenant_id, number, *_values(part),
    )  # fmt: skip
    return secret


def _values(part: ContactPart) -> tuple[str | None, str | None, str | None]:
    return part.email, part.phone, part.webhook
