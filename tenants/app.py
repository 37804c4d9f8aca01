"""The tenants process put together, by hand, in one screen: admin API, inzage, the keys of the years, and the log."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg

from tenants.api.edge import make_api
from tenants.api.openapi import make_openapi
from tenants.api.routes import ROUTES
from tenants.api.routing import Rooms
from tenants.beheer_tokens import make_beheer_tokens
from tenants.blokkades import Emergency
from tenants.certificates_trust import read_trust
from tenants.config import TenantsConfig
from tenants.fetch import read_rules
from tenants.heavy_reads import places_beside
from tenants.keyring import read_keyring
from tenants.logboek.metrics import make_logboek_metrics
from tenants.logboek.rounds import Export, keep_exporting
from tenants.metrics import make_tenants_metrics
from tenants.notices.signing import read_notice_keys
from tenants.observing import make_observed
from tenants.pools import WrongRole, pool_of
from tenants.serve import Application, run_together, serve
from tenants.server_certificate import show_server_certificate
from tenants.years import keep_years

_FOR_BLOCKS = 3
_TROUBLE = (OSError, TimeoutError, WrongRole, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class TenantsProcess:
    """The parts of a tenants process without its servers."""

    rooms: Rooms
    api: Application
    observed: Application
    export: Export


@asynccontextmanager
async def tenants_of(config: TenantsConfig) -> AsyncIterator[TenantsProcess]:
    """Put the process together; at the end close its connections. Raises KeyringError for a keyring it cannot use.

    The database may come later: until then `/ready` says so, and routes answer 503.
    """
    async with (
        pool_of(config.database_url, "tenants", size=config.connections) as registry,
        pool_of(config.inzage_url, "inzage", size=config.connections) as inzage,
        pool_of(config.database_url, "tenants", size=_FOR_BLOCKS) as for_blocks,
    ):
        contact = {"name": config.contact_name, "url": config.contact_url, "email": config.contact_email}
        rooms = Rooms(
            registry=registry,
            inzage=inzage,
            identity=read_keyring(config.identity_public_file, name="identity", private=False),
            register=read_keyring(config.register_keyring_file, name="register", private=True),
            grace_seconds=config.grace_timeout,
            emergency=Emergency(for_blocks),
            heavy=places_beside(config.connections),
            trust=read_trust(config.certificate_anchors_directory, config.egress_host_names),
            openapi=make_openapi(ROUTES, {name: value for name, value in contact.items() if value is not None}),
            notice_keys=read_notice_keys(config.notice_keys_file),
            tokens=make_beheer_tokens(
                read_rules(config.fetch_hosts, config.fetch_internal_networks, config.fetch_ca_file)
            ),
        )
        metrics = make_tenants_metrics()
        show_server_certificate(metrics.registry, config.certificate_file)
        metrics.show_pools({"registry": registry, "inzage": inzage, "blokkades": for_blocks})
        export = Export(
            inzage,
            rooms.register,
            read_rules(config.logboek_hosts, config.logboek_internal_networks, config.logboek_ca_file),
            make_logboek_metrics(metrics.registry),
            timedelta(seconds=config.logboek_open_after),
        )
        observed = make_observed(metrics.registry, partial(_ready, rooms))
        yield TenantsProcess(rooms, make_api(ROUTES, rooms, metrics.note), observed, export)


async def run_tenants(
    config: TenantsConfig,
    shutdown: asyncio.Event,
    *,
    ready: Callable[[int, int], None] | None = None,
    serve_api: Callable[..., Coroutine[Any, Any, None]] = serve,
) -> None:
    """Serve until `shutdown`. `ready` is told the port of the admin API and that of the operator's machines.

    `serve_api` has the arguments of `tenants.serve.serve`; the command line gives the gateway's strict server.
    """
    ports: dict[str, int] = {}

    def bound(name: str, port: int) -> None:
        ports[name] = port
        if len(ports) == 2 and ready is not None:
            ready(ports["api"], ports["observed"])

    async with tenants_of(config) as process:
        rooms = process.rooms
        await run_together(
            serve_api(
                process.api,
                bind=config.bind,
                shutdown=shutdown,
                certificate_file=config.certificate_file,
                key_file=config.key_file,
                ready=partial(bound, "api"),
                drain_seconds=config.drain_seconds,
            ),
            serve(process.observed, bind=config.metrics_bind, shutdown=shutdown, ready=partial(bound, "observed")),
            keep_years(rooms.registry, rooms.identity, rooms.register, shutdown),
            rooms.tokens.keep_fresh(shutdown),
            keep_exporting(process.export, shutdown, every=config.logboek_every),
        )


async def _ready(rooms: Rooms) -> dict[str, bool]:
    return {"registry": await _answers(rooms.registry), "inzage": await _answers(rooms.inzage)}


async def _answers(pool: asyncpg.Pool) -> bool:
    try:
        async with asyncio.timeout(2), pool.acquire() as connection:
            return bool(await connection.fetchval("SELECT true"))
    except _TROUBLE:
        return False
