"""A tenant whose calls are years old, so that retention has something to destroy beside the traffic."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from tenants.delivery.places import add_place
from tenants.scope import tenant_scope
from tests.db.calls import Writer
from tests.retention.stage import SQL_ROWS, Past, bounds
from tests.trees.stage import Calls
from tests.world import World
from tests.worlds import Keyrings, make_world

OIN = "00000001009999999000"
_ROWS = 20


@dataclass(frozen=True, slots=True)
class OldTenant:
    """A body that keeps its calls for two years, and had calls in `month`."""

    tenant_id: int
    oin: str
    month: date

    async def count(self, admin: asyncpg.Connection) -> int:
        """Rows of that month that are still there."""
        found = [await admin.fetchval(SQL_ROWS.format(one), self.tenant_id, *bounds(self.month)) for one in _TABLES]
        return sum(found)


_TABLES = ("opening", "closing", "person")


async def make_old_tenant(here: World) -> OldTenant:
    """Register it, and give it calls of four years ago; the sealers of the installation seal and destroy them."""
    month = date(datetime.now(UTC).year - 4, 3, 1)
    keyrings = Keyrings(here.ground.identity, here.ground.register)
    made = await make_world(here.tenants, here.ground.pki, keyrings, oin=OIN, afnemer_id="999999")
    async with tenant_scope(here.tenants, made.tenant_id, actor="test"):
        await add_place(here.tenants, made.tenant_id, "file", made.oin)
    gateway = await asyncpg.connect(here.database.url("gateway"))
    admin = await asyncpg.connect(here.database.url("admin"))
    try:
        number = await gateway.fetchval("SELECT register.begin_writer('vroeger')")
        past = Past(made, Calls(Writer(gateway, "register", number)), None, None, None, admin)  # type: ignore[arg-type]
        await past.keeps(2)
        await past.had(month, _ROWS)
    finally:
        await gateway.close()
        await admin.close()
    return OldTenant(made.tenant_id, made.oin, month)
