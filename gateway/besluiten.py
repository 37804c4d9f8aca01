"""An afnemer's own autorisatiebesluiten, from the registry to what RvIG's rules judge by. Pure.

Owns nothing and decides nothing: `gateway.brp.authorisation` has the rules.
"""

from functools import lru_cache
from typing import Final

from gateway.brp.authorisation import AfnemerRights, AutorisatieRow, rubrieken_of_row
from gateway.snapshot import Snapshot
from tenants.model import Aansluiting, Autorisatiebesluit

_ROWS_AT_HAND: Final = 4_096
"""Rows whose rubrieken are kept as sets, some 10 kB each; the others are read again when they are needed."""


def rights_of(aansluiting: Aansluiting, snapshot: Snapshot) -> AfnemerRights:
    """What the afnemer of an aansluiting may ask: as a gemeente, or by its own besluiten and nobody else's."""
    besluiten = snapshot.besluiten.get((aansluiting.tenant_id, aansluiting.afnemer_id), ())
    return AfnemerRights(aansluiting.afnemer_id, aansluiting.gemeentecode, tuple(map(_row_of, besluiten)))


@lru_cache(_ROWS_AT_HAND)
def _row_of(besluit: Autorisatiebesluit) -> AutorisatieRow:
    return AutorisatieRow(besluit.start, besluit.end, besluit.medium, rubrieken_of_row(besluit.rubrieken))
