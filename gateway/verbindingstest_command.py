"""`koppelpunt verbindingstest`: ask a running gateway to test a connection, and show the steps as they come.

Asks through the database, as the admin API does; no key or secret is needed or seen here. Ends with status 0 when the
connection works, 1 when a step went wrong, 3 when the test was given up (no gateway took it, or it stopped).
"""

import asyncio
import sys

import asyncpg
import click
from rich.console import Console
from rich.markup import escape

from gateway.database_refusals import words_of
from tenants.durable import DURABLE
from tenants.faults import InputRefused, NotFound, RegistryError
from tenants.scope import tenant_scope
from tenants.verbindingstesten import APIS, ENDED, StepSeen, TestSeen, Wish, ask_test, find_test, list_steps

_ACTOR = "opdrachtregel"
_EVERY = 0.2
_MARKS = {
    "goed": "[green]✓[/green]",
    "let_op": "[yellow]![/yellow]",
    "fout": "[red]✗[/red]",
    "overgeslagen": "[dim]-[/dim]",
}
_STATUS = {"geslaagd": 0, "mislukt": 1, "afgebroken": 3}


@click.command("verbindingstest")
@click.option("--tenant", "tenant_oin", required=True, help="OIN of the tenant.")
@click.option("--aansluiting", type=int, required=True, help="Number of its aansluiting.")
@click.option("--certificate", type=int, help="Number of a staged certificate to test with.")
@click.option("--credential", type=int, help="Number of another credential to test with.")
@click.option("--api", "apis", type=click.Choice(APIS), multiple=True, default=("personen",), show_default=True)
@click.option(
    "--database-url", envvar="KOPPELPUNT_DATABASE_URL", required=True, help="Of a user in the role koppelpunt_tenants."
)
def verbindingstest(
    *,
    tenant_oin: str,
    aansluiting: int,
    certificate: int | None,
    credential: int | None,
    apis: tuple[str, ...],
    database_url: str,
) -> None:
    """Test the connection of an aansluiting with RvIG, step by step, by a gateway that runs."""
    wish = Wish(aansluiting, certificate, credential, tuple(dict.fromkeys(apis)))
    try:
        state = asyncio.run(_run(database_url, tenant_oin, wish, Console(highlight=False)))
    except (RegistryError, ValueError, OSError, asyncpg.PostgresError) as error:
        click.echo(f"Error: {_words(error)}", err=True)
        sys.exit(2)
    sys.exit(_STATUS[state])


async def _run(database_url: str, tenant_oin: str, wish: Wish, console: Console) -> str:
    connection = await asyncpg.connect(database_url, timeout=5, command_timeout=30, server_settings=dict(DURABLE))
    try:
        tenant_id = await connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", tenant_oin)
        if tenant_id is None:
            raise NotFound(f"There is no tenant with OIN {tenant_oin}.")
        async with tenant_scope(connection, tenant_id, actor=_ACTOR):
            number = await ask_test(connection, tenant_id, wish, asked_by=_ACTOR)
        shown = 0
        while True:
            found, steps = await _look(connection, tenant_id, wish.aansluiting_id, number, shown)
            for step in steps:
                shown = step.number
                _show(console, step)
            if found.state in ENDED:
                console.print(f"[bold]{found.state}[/bold]")
                return found.state
            await asyncio.sleep(_EVERY)
    finally:
        await connection.close()


async def _look(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, number: int, shown: int
) -> tuple[TestSeen, list[StepSeen]]:
    async with tenant_scope(connection, tenant_id, actor=_ACTOR):
        found = await find_test(connection, tenant_id, aansluiting_id, number)
        return found, await list_steps(connection, tenant_id, number, after=shown)


def _show(console: Console, step: StepSeen) -> None:
    api = step.seen.get("api") or step.seen.get("host") or ""
    console.print(
        f"{_MARKS[step.result]} [bold]{step.name:18}[/bold] {escape(str(api)):12} {step.milliseconds:6} ms  {escape(step.detail)}",
        soft_wrap=True,  # one line a step, for whoever looks for one in a file
    )
    if step.who != "niemand":
        console.print(f"  → wie: [bold]{step.who}[/bold]")


def _words(error: Exception) -> str:
    if isinstance(error, InputRefused):
        return "; ".join(error.faults)
    return str(error) if isinstance(error, RegistryError | ValueError) else words_of(error)
