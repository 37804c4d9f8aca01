"""The accounts that the token endpoint knows, changeable while the simulator runs.

Owns who may have a token: rotation of secrets, blocking, shutting out an OIN. One client-ID may open several
AfnemerIDs; the scope of the request then chooses.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.simulator.settings import SimAfnemer


@dataclass(slots=True)
class Afnemers:
    """Accounts by client-ID and AfnemerID, and the certificate OINs that are shut out. Single-threaded."""

    _accounts: dict[str, dict[str, SimAfnemer]] = field(default_factory=dict)
    revoked_oins: set[str] = field(default_factory=set)

    def put(self, *afnemers: SimAfnemer) -> None:
        """Add accounts; one with the same client-ID and AfnemerID is replaced."""
        for one in afnemers:
            self._accounts.setdefault(one.client_id, {})[one.afnemer_id] = one

    def replace_all(self, afnemers: Iterable[SimAfnemer]) -> None:
        """Forget every account and take these."""
        self._accounts.clear()
        self.put(*afnemers)

    def of_client(self, client_id: str) -> tuple[SimAfnemer, ...]:
        return tuple(self._accounts.get(client_id, {}).values())

    def get(self, client_id: str, afnemer_id: str) -> SimAfnemer | None:
        return self._accounts.get(client_id, {}).get(afnemer_id)

    def change(self, client_id: str, **changes: Any) -> None:
        """Change members of every account of this client-ID (`blocked=True`, `client_secret=…`). KeyError if none."""
        self._accounts[client_id] = {key: replace(one, **changes) for key, one in self._accounts[client_id].items()}

    def mailboxes(self) -> set[str]:
        return {one.mailbox_id for some in self._accounts.values() for one in some.values() if one.mailbox_id}

    def all(self) -> tuple[SimAfnemer, ...]:
        return tuple(one for some in self._accounts.values() for one in some.values())
