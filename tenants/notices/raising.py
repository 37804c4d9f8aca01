"""The chore that raises notices: looks at the facts, and lets what is not told yet stand, each once.

Done by the sealer that leads. Two that think they lead raise the same notice once all the same: its key is unique in the
database. What cannot be told of one tenant keeps no other from being told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from tenants.notices import rows
from tenants.notices.metrics import NoticeMetrics
from tenants.notices.rules import notices_of, today_of, unusual_readings

_SLOW_EVERY: Final = timedelta(hours=1)
"""How often is looked at what changes by the day and costs more to look at: readings and retention."""
log = structlog.get_logger("koppelpunt.notices")


@dataclass(slots=True)
class Raiser:
    """What one sealer knows between rounds. `reachable`: the operator has an address.

    A call is without closing after `orphan_after`, a checkpoint late after `late_after` beyond its interval.
    """

    metrics: NoticeMetrics
    reachable: bool
    orphan_after: timedelta
    late_after: timedelta
    looked_at: datetime | None = None

    async def raise_notices(self, connection: asyncpg.Connection, now: datetime) -> int:
        """Look once and raise what is new; return how many. Raises what the database raises, when all was tried."""
        facts = await rows.read_facts(connection, now)
        facts += await rows.read_late_checkpoints(connection, now, self.late_after)
        facts += await rows.read_seal_faults(connection)
        facts += await rows.read_terms(connection, now)
        facts += await rows.read_orphans(connection, self.orphan_after)
        slow = self.looked_at is None or now - self.looked_at >= _SLOW_EVERY
        if slow:
            facts += unusual_readings(await rows.count_readings(connection), today_of(now))
            facts += await rows.read_overdue(connection, now)
        raised, trouble = 0, None
        for notice in await rows.untold(connection, notices_of(facts, now)):
            try:
                if await rows.raise_notice(connection, notice, reachable=self.reachable):
                    raised += 1
                    self.metrics.raised.labels(notice.kind).inc()
                    log.info("notice_raised", tenant=notice.tenant_id, kind=notice.kind, threshold=notice.threshold)
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
                trouble = error
                log.warning("notice_not_raised", tenant=notice.tenant_id, kind=notice.kind, error=type(error).__name__)
        if trouble is not None:
            raise trouble
        if slow:
            self.looked_at = now
        return raised
