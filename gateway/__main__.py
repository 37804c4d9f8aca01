"""The command line: one image, one program, a command per process (DESIGN: processes).

Every command says on standard error who must act when it cannot go on, and ends with a status other than 0.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from gateway.config import ConfigError, GatewayConfig
from gateway.database_refusals import words_of
from gateway.hardening import forbid_dumps
from gateway.keys_commands import keys
from gateway.migrate_command import migrate
from gateway.receipts_command import check_receipts
from gateway.register_commands import register
from gateway.registry_commands import registry
from gateway.retention_commands import end_contract, retention
from gateway.simulator.settings import Environment
from gateway.starting import telling_why_not
from gateway.telemetry import configure_logging
from gateway.verbindingstest_command import verbindingstest
from tenants.admins import Role
from tenants.faults import InputRefused
from tenants.keyring import KeyringError

T = TypeVar("T")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="koppelpunt")
def main() -> None:
    """Koppelpunt: the gateway of a technische aansluitpartij to RvIG's BRP APIs."""


main.add_command(keys)
main.add_command(migrate)
main.add_command(register)
main.add_command(registry)
main.add_command(verbindingstest)
register.add_command(retention)
register.add_command(check_receipts)
register.add_command(end_contract)


def run_until_signal(run: Callable[[asyncio.Event], Awaitable[None]], *, loop: str = "uvloop") -> None:
    """Run a process until SIGTERM or SIGINT, and let it end in order. A second signal ends it at once."""

    async def until_signal() -> None:
        shutdown = asyncio.Event()
        running = asyncio.get_running_loop()

        def stop(number: int) -> None:
            running.remove_signal_handler(number)
            shutdown.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, stop, number)
        await run(shutdown)

    forbid_dumps()
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - loaded only where it is used

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(until_signal())


def say_ready(**ports: int) -> None:
    """One line on standard output when a process listens: for whoever started it on a free port."""
    click.echo("ready " + " ".join(f"{name}={port}" for name, port in ports.items()))
    sys.stdout.flush()


@main.command()
def gateway() -> None:
    """Serve calls. Configured by KOPPELPUNT_… in the environment."""
    from gateway.app import run_gateway  # noqa: PLC0415 - each process loads only what it is
    from gateway.parent import run_parent  # noqa: PLC0415
    from gateway.workers import WorkersFailing  # noqa: PLC0415

    config = _read(GatewayConfig.read)
    configure_logging()
    with telling_why_not() as beginning:

        def ready(callers: int, watchers: int) -> None:
            beginning.is_over = True
            say_ready(port=callers, watch=watchers)

        async def run(shutdown: asyncio.Event) -> None:
            run_all = run_gateway if config.workers == 1 else run_parent
            await run_all(config, shutdown=shutdown, ready=ready)

        try:
            run_until_signal(run, loop=config.loop)
        except WorkersFailing as error:
            raise click.ClickException(str(error)) from None


@main.command(hidden=True)
@click.option("--slot", type=int, required=True)
@click.option("--listen-fd", type=int, required=True)
@click.option("--ready-fd", type=int, required=True)
def worker(slot: int, listen_fd: int, ready_fd: int) -> None:
    """Serve calls as one of several workers. Started by `koppelpunt gateway`."""
    from gateway.app import run_gateway  # noqa: PLC0415
    from gateway.parent import end_with_parent, settings_of_worker, tell_ready  # noqa: PLC0415

    end_with_parent(ready_fd)
    config = settings_of_worker(_read(GatewayConfig.read), slot)
    configure_logging()
    with telling_why_not() as beginning:

        def ready(_callers: int, watchers: int) -> None:
            beginning.is_over = True
            tell_ready(ready_fd, watchers)

        async def run(shutdown: asyncio.Event) -> None:
            await run_gateway(config, shutdown=shutdown, listen_fd=listen_fd, ready=ready)

        run_until_signal(run, loop=config.loop)


@main.command()
def tenants() -> None:
    """Serve the admin API and inzage. Configured by KOPPELPUNT_… in the environment."""
    from gateway.serve_tenants import serve_strictly  # noqa: PLC0415
    from tenants.app import run_tenants  # noqa: PLC0415
    from tenants.config import TenantsConfig  # noqa: PLC0415

    config = _read(TenantsConfig.read)
    configure_logging()
    with telling_why_not() as beginning:

        def ready(api: int, watchers: int) -> None:
            beginning.is_over = True
            say_ready(port=api, watch=watchers)

        async def run(shutdown: asyncio.Event) -> None:
            await run_tenants(config, shutdown, ready=ready, serve_api=serve_strictly)

        run_until_signal(run)


@main.command()
def sealer() -> None:
    """Seal the registers and sign checkpoints, deliver those and notices, destroy what had its term, watch expiry.

    One leads at a time. Configured by KOPPELPUNT_… in the environment.
    """
    from tenants.config import SealerConfig  # noqa: PLC0415
    from tenants.sealer.app import run_sealer  # noqa: PLC0415

    config = _read(SealerConfig.read)

    async def run(shutdown: asyncio.Event) -> None:
        await run_sealer(config, shutdown, ready=lambda watchers: say_ready(watch=watchers))

    configure_logging()

    _tell(lambda: run_until_signal(run))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8543, show_default=True, help="0 takes any free port.")
@click.option("--certificate", type=_FILE, required=True, help="Server certificate with its chain, PEM.")
@click.option("--key", type=_FILE, required=True, help="Its private key, PEM.")
@click.option("--trust-anchors", type=_FILE, required=True, help="Roots that client certificates must lead to, PEM.")
@click.option("--afnemers", type=_FILE, help="Accounts at the token endpoint: a JSON array.")
@click.option("--personen", type=_FILE, help="Test persons, JSON; the product's own stand in when no file is given.")
@click.option("--bewoning", type=_FILE, help="Their stays, JSON.")
@click.option("--reisdocumenten", type=_FILE, help="Their travel documents, JSON.")
@click.option("--berichten", type=_DIRECTORY, help="Messages that every mailbox starts with, a JSON file each.")
@click.option("--environment", type=click.Choice(["proef", "productie"]), default="proef", show_default=True)
@click.option("--control-port", type=int, help="Plain HTTP on the loopback address, to steer it and ask what it saw.")
def simulator(
    *,
    host: str,
    port: int,
    certificate: Path,
    key: Path,
    trust_anchors: Path,
    environment: Environment,
    control_port: int | None,
    **files: Path | None,
) -> None:
    """Stand in for RvIG: token endpoint, APIs and mailbox over mutual TLS, with test persons."""
    from gateway.simulator.app import build_simulator  # noqa: PLC0415
    from gateway.simulator.serve import Address, serve  # noqa: PLC0415
    from gateway.simulator.settings import SimulatorSettings, read_afnemers  # noqa: PLC0415

    accounts = files["afnemers"]
    made = _tell(
        lambda: build_simulator(
            SimulatorSettings(
                afnemers=read_afnemers(accounts) if accounts else (),
                environment=environment,
                personen_file=files["personen"],
                bewoning_file=files["bewoning"],
                reisdocumenten_file=files["reisdocumenten"],
                berichten_dir=files["berichten"],
            )
        )
    )

    def ready(address: Address) -> None:
        say_ready(port=address.port, **({} if address.control_port is None else {"control": address.control_port}))

    async def run(shutdown: asyncio.Event) -> None:
        await serve(
            made, host=host, port=port, certificate_file=certificate, key_file=key, trust_anchors_file=trust_anchors,
            shutdown=shutdown, ready=ready, control_port=control_port,
        )  # fmt: skip

    _tell(lambda: run_until_signal(run))


@main.command()
@click.option("--once", is_flag=True, help="End when everything was shown; status 0 only if all was as expected.")
def demo(*, once: bool) -> None:
    """Run everything on this machine: PostgreSQL, test PKI, simulator, tenants, gateway, three sample tenants."""
    from gateway.demo.run import run_demo  # noqa: PLC0415

    sys.exit(run_demo(once=once, database_url=os.environ.get("DATABASE_URL")))


_TENANTS_URL = click.option(
    "--database-url", envvar="KOPPELPUNT_DATABASE_URL", required=True, help="Of a user in the role koppelpunt_tenants."
)
_IDENTITY = click.option("--identity-public", envvar="KOPPELPUNT_IDENTITY_PUBLIC_FILE", type=_FILE, required=True)


@main.command("admin-key")
@click.option("--role", type=click.Choice(["operator", "beheerder", "auditor"]), required=True)
@click.option("--tenant", "tenant_oin", help="OIN of the tenant; not for an operator.")
@click.option("--name", required=True, help="Whose key it is, for the history.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@_TENANTS_URL
@_IDENTITY
def admin_key(
    role: Role, tenant_oin: str | None, name: str, days: int, database_url: str, identity_public: Path
) -> None:
    """Make a key for the admin API and show it once."""
    from tenants.command import make_key  # noqa: PLC0415

    click.echo(
        _told(
            lambda: asyncio.run(
                make_key(database_url, identity_public, role=role, tenant_oin=tenant_oin, name=name, days=days)
            )
        )
    )


def _read(read: Callable[[dict[str, str]], T]) -> T:
    return _tell(lambda: read(dict(os.environ)))


def _tell(run: Callable[[], T]) -> T:
    """Run something that may refuse; say why on standard error and end with status 2."""
    try:
        return run()
    except (ConfigError, InputRefused, KeyringError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _told(run: Callable[[], T]) -> T:
    """As _tell, of something that asks the database."""
    import asyncpg  # noqa: PLC0415

    try:
        return _tell(run)
    except asyncpg.PostgresError as error:
        raise click.ClickException(words_of(error)) from None


if __name__ == "__main__":
    main()
