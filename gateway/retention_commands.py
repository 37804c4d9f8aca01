"""`koppelpunt register retention` and `koppelpunt register end-contract`: what goes, when, and how a contract ends.

Neither can destroy anything that PostgreSQL does not let go: the first asks the sealer's functions, the second records steps
and leaves destruction to the sealer, after two of the tenant's own have confirmed through the admin API.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.progress import show_progress
from gateway.register_asking import actor, connected, needed, told

if TYPE_CHECKING:
    import asyncpg

    from tenants.retention.contract import EndStep
    from tenants.retention.steps import Planned

_DAY: Final = click.DateTime(["%Y-%m-%d"])


@click.command("retention")
@click.option("--dry-run", is_flag=True, help="Only say what would go, when, and what is held.")
@click.option("--tenant", "oin", help="OIN of one tenant; all without it.")
@click.option("--until", type=_DAY, help="With --dry-run: up to this day, UTC; a year ahead without it.")
@click.option(
    "--backup-days", default=35, show_default=True, envvar="KOPPELPUNT_BACKUP_DAYS", type=click.IntRange(0, 3660)
)
@click.option("--database-url", envvar="KOPPELPUNT_DATABASE_URL", help="Of a user in the role koppelpunt_sealer.")
def retention(
    *, dry_run: bool, oin: str | None, until: datetime | None, backup_days: int, database_url: str | None
) -> None:
    """Say what has had its term and will go; without --dry-run, do now what the sealer does by itself."""
    with told():
        if not dry_run:
            if oin is not None or until is not None:
                raise click.UsageError("--tenant and --until go with --dry-run.")
            click.echo(connected(database_url, lambda made: _round(made, backup_days)))
            return
        horizon = (until.replace(tzinfo=UTC) if until else datetime.now(UTC) + timedelta(days=365)) + timedelta(days=1)
        planned = connected(database_url, lambda made: _plan(made, oin, horizon))
    for tenant, one in planned:
        click.echo(
            f"{tenant}  {one.maand:%Y-%m}  {one.soort:<16} from {one.due_at:%Y-%m-%d}  {one.rows:>10} rows  "
            f"{one.persons:>10} persons  {one.held:>10} held"
        )
    total = sum(one.rows - one.held for _, one in planned)
    click.echo(f"{total} rows would go until {horizon - timedelta(days=1):%Y-%m-%d}; nothing was changed")


async def _plan(connection: "asyncpg.Connection", oin: str | None, horizon: datetime) -> "list[tuple[str, Planned]]":
    from tenants.faults import InputRefused  # noqa: PLC0415
    from tenants.retention.steps import list_planned  # noqa: PLC0415

    rows = await connection.fetch(
        "SELECT tenant_id, oin FROM registry.tenant WHERE $1::text IS NULL OR oin = $1 ORDER BY oin", oin
    )
    if oin is not None and not rows:
        raise InputRefused([f"No tenant has OIN {oin}."])
    return [(row["oin"], one) for row in rows for one in await list_planned(connection, row["tenant_id"], horizon)]


async def _round(connection: "asyncpg.Connection", backup_days: int) -> str:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    from tenants.retention.metrics import make_retention_metrics  # noqa: PLC0415
    from tenants.retention.rounds import Pace, lead, run_round  # noqa: PLC0415

    if not await lead(connection):
        return "a sealer is at it: it does this by itself"
    waiting = await run_round(connection, Pace(backup_days), make_retention_metrics(CollectorRegistry()))
    return "proofs were written and wait to be signed; run again when they are" if waiting else "nothing waits"


@click.command("end-contract")
@click.option("--tenant", "oin", required=True, help="OIN of the tenant.")
@click.option(
    "--archive", type=click.Path(path_type=Path), help="Where the last export goes: a file that ends in .tar."
)
@click.option(
    "--opened", "keyring", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Register keyring file: the archive must be readable when the keys are gone.",
)  # fmt: skip
@click.option(
    "--recipient",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate (PEM, RSA) of the tenant's own that the archive is sealed to.",
)
@click.option("--received-by", help="Who of the tenant confirmed that it has the archive and could read it.")
@click.option("--database-url", envvar="KOPPELPUNT_INZAGE_URL", help="Of a user in the role koppelpunt_inzage.")
def end_contract(
    oin: str,
    archive: Path | None,
    keyring: Path | None,
    recipient: Path | None,
    received_by: str | None,
    database_url: str | None,
) -> None:
    """Take the next step of the end of a tenant's contract, and say what comes after it. Run it again to go on."""
    with told():
        asked = Asked(oin, archive, keyring, recipient, received_by)
        click.echo(connected(database_url, lambda made: _next_step(made, asked)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was given to `end-contract`; which of it is needed depends on the step."""

    oin: str
    archive: Path | None
    keyring: Path | None
    recipient: Path | None
    received_by: str | None


async def _next_step(connection: "asyncpg.Connection", asked: Asked) -> str:
    from tenants.export.plan import find_tenant  # noqa: PLC0415
    from tenants.faults import InputRefused  # noqa: PLC0415
    from tenants.retention import contract  # noqa: PLC0415

    tenant_id, asks = await find_tenant(connection, asked.oin), actor()
    if not await contract.is_ended(connection, tenant_id, actor=asks):
        raise InputRefused([f"The tenant with OIN {asked.oin} has not ended: end it in the registry first."])
    steps = await contract.list_steps(connection, tenant_id, actor=asks)
    last = contract.last_kind(steps)
    if last in {None, "ingetrokken"}:
        await contract.note_step(connection, tenant_id, "begonnen", actor=asks)
        last = "begonnen"
    # What came after the archive that was confirmed: a further one, which is received and confirmed as the first was.
    if last == "begonnen" or (last == "meebevestigd" and asked.archive is not None):
        return await _export(connection, tenant_id, asked)
    if last == "geexporteerd":
        digest = steps[-1].digest
        if asked.archive is not None and contract.digest_of(asked.archive) != digest:
            raise InputRefused(["This is another archive than the one that was exported."])
        note = needed(asked.received_by, "--received-by")
        await contract.note_step(connection, tenant_id, "ontvangen", actor=asks, digest=digest, note=note)
        return f"received by {note}; {_ask_auditor(digest)}"
    return await _after_receipt(connection, tenant_id, steps)


async def _export(connection: "asyncpg.Connection", tenant_id: int, asked: Asked) -> str:
    from tenants.export.archive import LEZINGEN, STEEKPROEVEN, VERZOEKEN, open_archive  # noqa: PLC0415
    from tenants.export.envelope import name_of, read_recipient  # noqa: PLC0415
    from tenants.export.running import Wish, export_register  # noqa: PLC0415
    from tenants.faults import InputRefused  # noqa: PLC0415
    from tenants.keyring import read_keyring  # noqa: PLC0415
    from tenants.retention import contract  # noqa: PLC0415

    target = Path(needed(str(asked.archive or ""), "--archive"))
    keyring = Path(needed(str(asked.keyring or ""), "--opened"))
    pem = await asyncio.to_thread(Path(needed(str(asked.recipient or ""), "--recipient")).read_bytes)
    recipient = read_recipient(pem)
    wish = Wish(
        asked.oin, "Einde van het contract: overdracht", actor(), None,
        read_keyring(keyring, name="register", private=True), recipient=recipient,
    )  # fmt: skip
    if not await asyncio.to_thread(target.exists):
        with show_progress("exporting") as on_progress:
            await export_register(connection, wish, target, on_progress)
    with open_archive(target) as (manifest, _):
        found = (manifest["oin"], manifest["period"], manifest["contents"], manifest.get("sealed_to"))
        if found != (asked.oin, None, "opened", name_of(recipient)):
            raise InputRefused(
                ["What stands there is not the whole, opened register of this tenant, sealed to this certificate."]
            )
        if not {LEZINGEN, VERZOEKEN, STEEKPROEVEN} <= {one["name"] for one in manifest["files"]}:
            raise InputRefused(["This archive lacks records that are destroyed too: export anew."])
        size = int(manifest["tree_size"])
    digest = contract.digest_of(target)
    await contract.note_step(connection, tenant_id, "geexporteerd", actor=actor(), digest=digest, tree_size=size)
    return f"exported up to a tree of {size} leaves: {target}\nSHA-256 {digest.hex()}\nhand it over, then run again with --received-by"


async def _after_receipt(connection: "asyncpg.Connection", tenant_id: int, steps: "list[EndStep]") -> str:
    from tenants.retention import contract  # noqa: PLC0415

    last = contract.last_kind(steps)
    if last == "ontvangen":
        return _ask_auditor(steps[-1].digest)
    if last == "bevestigd":
        named = "" if steps[-1].digest is None else steps[-1].digest.hex()
        return (
            "confirmed by an auditor; waiting for another auditor or a beheerder of the tenant itself: "
            f"POST /v1/contracteinde/besluiten with meebevestigd and archief {named}"
        )
    if last == "voltooid":
        return (
            f"ended on {steps[-1].at:%Y-%m-%d}: nothing of this tenant is left but its tree, its history and the proofs"
        )
    if await contract.is_destroyed(connection, tenant_id, datetime.now(UTC) + timedelta(days=1), actor=actor()):
        await contract.note_step(connection, tenant_id, "voltooid", actor=actor())
        return "everything is destroyed; the proofs name the day on which the last backup has expired"
    return "confirmed by two; the sealer is destroying it, or a stop holds it (register retention --dry-run)"


def _ask_auditor(digest: bytes | None) -> str:
    named = "" if digest is None else digest.hex()
    return f"waiting for the tenant's own auditor: POST /v1/contracteinde/besluiten with archief {named}"
