"""How certificates are shown, and how what is wrong with one is told: all of it at once, in words.

The words of the states stand here once, for certificates and for naleving.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import asyncpg

from tenants import certificates_life as life
from tenants.api.certificaten_shapes import Certificaat, Waarschuwing
from tenants.api.problems import Refused, fault
from tenants.api.routing import Answer, Asked
from tenants.certificates_checks import remarks_of_chain
from tenants.certificates_life import CertificateSeen
from tenants.certificates_reading import CertificateRefused, Remark

TOESTANDEN: Final = {
    "requested": "aangevraagd", "staged": "klaargezet", "active": "actief", "retiring": "uitlopend",
    "retired": "uitgefaseerd", "revoked": "ingetrokken",
}  # fmt: skip
_ENDED: Final = frozenset({"retired", "revoked"})
T = TypeVar("T")


def host_names(asked: Asked) -> frozenset[str]:
    """The names of the egress that the operator set up."""
    return frozenset(asked.rooms.trust.host_names)


async def show(connection: asyncpg.Connection, asked: Asked, number: int, found: Iterable[Remark] = ()) -> Answer:
    """One certificate. `found` is what bringing it in told beside what is always to be seen of it."""
    seen = await life.find_certificate(connection, asked.tenant_id, number)
    return Answer(200, shape(seen, host_names(asked), found), version=seen.version)


async def show_made(connection: asyncpg.Connection, asked: Asked, number: int, found: Iterable[Remark] = ()) -> Answer:
    """One that was just made."""
    answer = await show(connection, asked, number, found)
    return Answer(201, answer.body, {"Location": f"/v1/certificaten/{number}"}, version=answer.version)


async def told(doing: Awaitable[T], pointer: str, *, status: int = 400) -> T:
    """What the doing gives, with a refusal as one of the API."""
    try:
        return await doing
    except CertificateRefused as refused:
        raise refusal(refused, pointer, status) from None


def read(reading: Callable[[], T], pointer: str) -> T:
    """What the reading gives, with a refusal as one of the API."""
    try:
        return reading()
    except CertificateRefused as refused:
        raise refusal(refused, pointer) from None


def refusal(refused: CertificateRefused, pointer: str, status: int = 400) -> Refused:
    """A refusal of the API with all that is wrong."""
    faults = [fault("body", pointer, one.code, one.text) for one in refused.faults]
    text = "Dit kan zo niet met dit certificaat; 'errors' zegt alles wat in de weg staat."
    return Refused(status, "certificaatGeweigerd", text, faults=faults)


def shape(seen: CertificateSeen, names: frozenset[str], found: Iterable[Remark] = ()) -> Certificaat:
    """A certificate as the API shows it, with what is to be said of it now."""
    values: Mapping[str, Any] = {
        "nummer": seen.certificate_id,
        "oin": seen.oin,
        "toestand": TOESTANDEN[seen.state],
        "herkomst": "aanvraag" if seen.made_inside else "ingebracht",
        "vingerafdruk": None if seen.fingerprint is None else seen.fingerprint.hex(),
        "geldig_van": seen.not_before,
        "geldig_tot": seen.not_after,
        "aansluitingen": list(seen.aansluitingen),
        "intrekking": seen.revocation,
        "activeringsreden": seen.activation_reason,
        "uitgefaseerd_op": seen.retired_at,
        "sleutel_vernietigd_op": seen.key_destroyed_at,
        "waarschuwingen": [
            Waarschuwing(code=one.code, tekst=one.text) for one in dict.fromkeys((*_standing(seen, names), *found))
        ],
    }
    return Certificaat(**values)


def _standing(seen: CertificateSeen, names: frozenset[str]) -> Sequence[Remark]:
    """What is to be said of one that something may leave with, or will."""
    if seen.chain_pem is None or seen.state in _ENDED:
        return ()
    return remarks_of_chain(seen.chain_pem, names, datetime.now(UTC))
