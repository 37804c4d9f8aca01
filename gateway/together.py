"""What this process does together with the other workers and replicas, put together and taken apart as one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.catalogue import Catalogue
from gateway.clock import ClockWatch
from gateway.config import GatewayConfig
from gateway.limiting import Key, RateLimits
from gateway.sharing import Sharing
from gateway.sharing_store import TROUBLE, SharingStore
from gateway.token_box import TokenBox
from tenants.keyring import Keyring
from tenants.limits import RateLimit


@dataclass(frozen=True, slots=True)
class Together:
    """Belongs to one event loop. `sharing` is None where every process asks for tokens of its own."""

    sharing: Sharing | None
    store: SharingStore
    clock: ClockWatch
    limits: RateLimits

    async def start(self) -> None:
        """Compare the clock, and go on with it."""
        await self.clock.start()

    async def close(self) -> None:
        """End the connections. Nothing that was asked for is under way any more."""
        await self.clock.close()
        await self.store.close()


def make_together(
    config: GatewayConfig,
    identity: Keyring,
    connect: Callable[[], Any],
    limit_of: Callable[[Key], RateLimit | None],
) -> Together:
    """Put it together as the settings say. `connect` makes a connection to the main server."""
    store = SharingStore(connect)
    return Together(
        Sharing(store, TokenBox(identity), trouble=TROUBLE) if config.share_tokens else None,
        store,
        ClockWatch(store.read_clock, bound=config.clock_bound, trouble=TROUBLE),
        RateLimits(
            limit_of,
            store.take_rate,
            default=(config.taaksysteem_rate, config.taaksysteem_burst) if config.taaksysteem_rate else None,
            trouble=TROUBLE,
        ),
    )


def say_what_is_unlimited(config: GatewayConfig, catalogue: Catalogue) -> None:
    """Say in the log that nobody chose how often a taaksysteem may ask, where RvIG's productie can be reached."""
    reached = any(one.kind == "productie" and one.trust_anchors_file for one in catalogue.environments.values())
    if reached and not config.taaksysteem_rate:
        structlog.get_logger("koppelpunt.start").warning(
            "no_rate_limit", act="Let the operator choose TAAKSYSTEEM_RATE, or a limit for each taaksysteem"
        )
