"""`koppelpunt registry`: the registry as a document. Export, import, diff, apply.

A diff ends like `diff`: 0 when registry and document say the same, 1 when they do not, 2 when something is wrong.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import click

from gateway.database_refusals import words_of
from tenants.faults import RegistryError
from tenants.keyring import KeyringError

if TYPE_CHECKING:
    from tenants.gitops.bringing import Brought

T = TypeVar("T")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WIDEST = 60


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--register-public", envvar="KOPPELPUNT_REGISTER_PUBLIC_FILE", type=_FILE, required=True),
        click.option("--identity-public", envvar="KOPPELPUNT_IDENTITY_PUBLIC_FILE", type=_FILE, required=True),
        click.option("--json", "as_json", is_flag=True, help="As JSON, for a machine."),
        _DATABASE,
        click.argument("file", type=_FILE),
    ):
        command = option(command)
    return command


_DATABASE = click.option(
    "--database-url", envvar="KOPPELPUNT_DATABASE_URL", required=True, help="Of a user in the role koppelpunt_tenants."
)


@click.group()
def registry() -> None:
    """The registry as a document: afnemers, certificates, aansluitingen, who may call."""


@registry.command("apply")
@_options
@click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing. The status is 0 all the same.")
def apply_registry(
    *, file: Path, database_url: str, identity_public: Path, register_public: Path, dry_run: bool, as_json: bool
) -> None:
    """Bring the registry to what the YAML document FILE says. Applying it again changes nothing."""
    brought = _bring(database_url, file, identity_public, register_public, keep=not dry_run)
    if dry_run:
        _show_difference(brought, as_json=as_json)
        return
    _show_done(brought, as_json=as_json)


@registry.command("import")
@_options
@click.option(
    "--restore", metavar="REASON", help="Put back an export into a registry without tenants; nothing is asked."
)
@click.option("--notice-keys", envvar="KOPPELPUNT_NOTICE_KEYS_FILE", type=_FILE, help="With --restore: signs webhooks.")
def import_registry(
    *,
    file: Path,
    database_url: str,
    identity_public: Path,
    register_public: Path,
    as_json: bool,
    restore: str | None,
    notice_keys: Path | None,
) -> None:
    """Bring in tenants that are not there yet. As apply, but a tenant that is there already is refused.

    With --restore everything is put back as the document says it, states and exceptions too, without asking anybody: only
    into a registry that has no tenant, and every change says why in the tenant's own history.
    """
    from tenants.command import bring_file  # noqa: PLC0415

    brought = _tell(
        bring_file(
            database_url, file, identity_public, register_public, keep=True, new_only=True, restore=restore,
            notice_keys=notice_keys,
        )
    )  # fmt: skip
    _show_done(brought, as_json=as_json)


@registry.command("diff")
@_options
def diff_registry(
    *, file: Path, database_url: str, identity_public: Path, register_public: Path, as_json: bool
) -> None:
    """Show what apply would do. Status 0: nothing; 1: something; 2: it is wrong."""
    brought = _bring(database_url, file, identity_public, register_public, keep=False)
    _show_difference(brought, as_json=as_json)
    sys.exit(0 if brought.nothing else 1)


@registry.command("export")
@_DATABASE
@click.option("--tenant", "tenant_oin", help="OIN of one tenant; without it, all.")
@click.option("--at", "moment", help="As it stood at this moment: 2026-03-01T12:00:00Z.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export_registry(*, database_url: str, tenant_oin: str | None, moment: str | None, file: Path | None) -> None:
    """Write the registry as the document that apply reads, to FILE or standard output. Secrets are not in it."""
    from tenants.command import export_registry as export  # noqa: PLC0415 - loaded only where it is used

    at = None if moment is None else _moment(moment)
    text = _tell(export(database_url, tenant_oin=tenant_oin, at=at))
    if file is None:
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no moment: give one as 2026-03-01T12:00:00Z.") from None
    if moment.tzinfo is None:
        raise click.UsageError("Give the moment with its time zone: 2026-03-01T12:00:00Z.")
    if moment > datetime.now(UTC):
        raise click.UsageError("That moment is still to come.")
    return moment


def _bring(database_url: str, file: Path, identity_public: Path, register_public: Path, *, keep: bool) -> "Brought":
    from tenants.command import bring_file  # noqa: PLC0415

    return _tell(bring_file(database_url, file, identity_public, register_public, keep=keep))


def _show_done(brought: "Brought", *, as_json: bool) -> None:
    if as_json:
        _show_difference(brought, as_json=True, done=True)
        return
    outcome = brought.outcome
    for what, counts in (("made", outcome.made), ("changed", outcome.changed)):
        click.echo(f"{what}: " + (", ".join(f"{count} {noun}" for noun, count in counts.items() if count) or "nothing"))
    for line in _asked(brought, done=True):
        click.echo(line)
    for one in outcome.secrets:
        click.echo(f"shown once: {one.kind} {one.name} of {one.taaksysteem} ({one.tenant_oin}): {one.secret}")


def _show_difference(brought: "Brought", *, as_json: bool, done: bool = False) -> None:
    if as_json:
        click.echo(json.dumps(_document(brought, done=done), indent=2, ensure_ascii=False, default=str))
        return
    for change in brought.changes:
        mark = {"insert": "+", "update": "~", "delete": "-"}[change.action]
        click.echo(f"{mark} {change.tenant_oin}  {change.object:<22} {change.name}")
        if change.action == "update":
            for name, (before, after) in change.fields.items():
                click.echo(f"    {name}: {_short(before)} → {_short(after)}")
    for line in _asked(brought, done=False):
        click.echo(line)
    if brought.nothing:
        click.echo("The registry is as the document says.")


def _asked(brought: "Brought", *, done: bool) -> Iterator[str]:
    from tenants.gitops.proposing import told  # noqa: PLC0415

    for one in brought.proposed:
        what = told(one.held) if one.exception is None else f"exception of {one.exception.afnemer_id}"
        what = what if one.register is None else f"how its register is kept {one.register}"
        state = (
            "waits for acceptance since an earlier apply"
            if one.already
            else f"waits for acceptance by its {one.accepts}"
        )
        yield (f"? {one.tenant_oin}  voorstel {one.number if done or one.already else '(new)'}  {what}: {state}")
    for waiting in brought.waiting:
        yield f"… {waiting.tenant_oin}  {waiting.what}: not yet. {waiting.why}"


def _document(brought: "Brought", *, done: bool) -> dict[str, Any]:
    return {
        "differences": [
            {
                "tenant": one.tenant_oin,
                "action": one.action,
                "object": one.object,
                "name": one.name,
                "fields": {name: {"before": before, "after": after} for name, (before, after) in one.fields.items()},
            }
            for one in brought.changes
        ],
        "proposals": [
            {
                "tenant": one.tenant_oin,
                "voorstel": one.number,
                "already": one.already,
                **one.held.model_dump(mode="json", exclude_defaults=True),
                **({} if one.exception is None else {"exception": one.exception.model_dump(mode="json")}),
                **({} if one.register is None else {"register": json.loads(one.register), "accepts": one.accepts}),
            }
            for one in brought.proposed
        ],
        "waiting": [{"tenant": one.tenant_oin, "what": one.what, "why": one.why} for one in brought.waiting],
        "secrets": [
            {
                "tenant": one.tenant_oin,
                "taaksysteem": one.taaksysteem,
                "kind": one.kind,
                "name": one.name,
                "secret": one.secret,
            }
            for one in brought.outcome.secrets
            if done
        ],
    }


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _tell(doing: Awaitable[T]) -> T:
    """Run something that may refuse; say why on standard error and end with status 2."""

    async def run() -> T:
        return await doing

    try:
        return asyncio.run(run())
    except (RegistryError, KeyringError, ValueError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
    except asyncpg.PostgresError as error:
        click.echo(f"Error: {words_of(error)}", err=True)
    sys.exit(2)
