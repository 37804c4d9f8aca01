"""What every session with PostgreSQL asks for, that what was confirmed to somebody is not lost afterwards.

A commit waits for the disk, and for the synchronous standby where one is named: else a block that a beheerder saw
confirmed, or the record of a reading, is gone after a fail-over. It is said at the start of each session, which a default of
a role or a database does not overrule and which a pool's RESET ALL comes back to. That fsync is on and a standby
is named is for the gateway to demand (`gateway.register.fitness`): same server, and its calls are what stops.
"""

from collections.abc import Mapping
from typing import Final

DURABLE: Final[Mapping[str, str]] = {"synchronous_commit": "on"}
