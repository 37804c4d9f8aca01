"""Where a document words a mandate, a lending or an exception otherwise than it stands. In the tenant's scope.

Others lean on these, so that a document never ends one to give it other words; but a diff that said nothing would lie.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tenants.gitops.holding import Waiting
from tenants.onboarding_document import TenantPart
from tenants.onboarding_work import Work

_OTHERWISE: Final = "It stands with {words}. End it first by the API, and what leans on it; then apply again."
_STANDING: Final = (
    "SELECT 'mandate' AS kind, t.oin, '' AS afnemer_id, m.reason, m.valid_from, m.valid_until FROM registry.mandate m "
    "  JOIN registry.tenant t ON t.tenant_id = m.to_tenant_id "
    "  WHERE m.tenant_id = $1 AND m.withdrawn_at IS NULL AND m.valid_until > now() "
    "UNION ALL SELECT 'lending', t.oin, '', l.reason, l.valid_from, l.valid_until FROM registry.certificate_lending l "
    "  JOIN registry.tenant t ON t.tenant_id = l.to_tenant_id "
    "  WHERE l.tenant_id = $1 AND l.withdrawn_at IS NULL AND l.valid_until > now() "
    "UNION ALL SELECT 'exception', x.holder_oin, x.afnemer_id, x.reason, x.valid_from, x.valid_until "
    "  FROM registry.certificate_exception x WHERE x.tenant_id = $1 AND x.withdrawn_at IS NULL AND x.valid_until > now()"
)


async def find_other_terms(work: Work, part: TenantPart) -> list[Waiting]:
    """What stands for a reason or a time that the document says otherwise; what it leaves open is not otherwise."""
    wanted = [
        *(("mandate", one.to, "", one.reason, one.valid_from, one.valid_until) for one in part.mandates),
        *(("lending", one.to, "", one.reason, one.valid_from, one.valid_until) for one in part.certificate_lendings),
        *(
            ("exception", one.holder, one.afnemer_id, one.reason, one.valid_from, one.valid_until)
            for one in part.certificate_exceptions
        ),
    ]
    if not wanted:
        return []
    standing: dict[tuple[str, str, str], list[tuple[str, datetime, datetime]]] = {}
    for row in await work.connection.fetch(_STANDING, work.tenants[part.oin]):
        standing.setdefault((row[0], row[1], row[2]), []).append((row[3], row[4], row[5]))
    return [
        Waiting(
            part.oin, f"{kind} {f'of {afnemer_id} for' if afnemer_id else 'to'} {oin}", _OTHERWISE.format(words=words)
        )
        for kind, oin, afnemer_id, *terms in wanted
        if (words := _otherwise(terms, standing.get((kind, oin, afnemer_id), ())))
    ]


def _otherwise(
    terms: Sequence[str | datetime | None], standing: Sequence[tuple[str, datetime, datetime]]
) -> str | None:
    """What is otherwise in all that stand; None when one of them is as it is said, or none stands."""
    names = ("another reason", "another first moment", "another end")
    found = [
        [name for name, said, stands in zip(names, terms, row, strict=True) if said not in {None, stands}]
        for row in standing
    ]
    return None if not all(found) or not found else " and ".join(found[0])
