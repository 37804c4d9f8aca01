"""`koppelpunt register …`: export, verification, receipts, and the keys of checkpoints.

Standard output says what came out, standard error how far it is. A register with a fault ends with status 1; what cannot
be done at all ends with another status and says who must act.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.progress import show_progress
from gateway.register_asking import actor, connected, needed, told

if TYPE_CHECKING:
    from tenants.verify.expecting import Trust
    from tenants.verify.findings import Verdict

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_PATH: Final = click.Path(path_type=Path)
_DAY: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_URL: Final = click.option(
    "--database-url", envvar="KOPPELPUNT_INZAGE_URL", help="Of a user in the role koppelpunt_inzage."
)
_REASON: Final = click.option("--reason", help="Why the register is read; it is recorded.")
_TENANT: Final = click.option("--tenant", "oin", help="OIN of the tenant.")
_ANCHOR: Final = click.option(
    "--anchor", "anchors", type=_FILE, multiple=True, help="An older checkpoint that you kept; may be given again."
)
_FROM: Final = click.option("--from", "began", type=_DAY, help="First day of the calls, UTC.")
_TO: Final = click.option("--to", "ended", type=_DAY, help="The day after the last, UTC.")


@click.group()
def register() -> None:
    """Export and verify registers; check receipts; keys of checkpoints."""


@register.command("export")
@click.argument("target", type=_PATH)
@click.option("--tenant", "oin", required=True, help="OIN of the tenant.")
@_FROM
@_TO
@_REASON
@click.option("--opened", "keyring", type=_FILE, help="Register keyring file: contents in the clear, for a hand-over.")
@_ANCHOR
@_URL
def export_register(
    target: Path, oin: str, began: datetime | None, ended: datetime | None, reason: str | None, keyring: Path | None,
    anchors: tuple[Path, ...], database_url: str | None,
) -> None:  # fmt: skip
    """Export a tenant's register to TARGET: a directory, or a file that ends in .tar. Goes on where it was broken off."""
    from tenants.checkpoints import read_note  # noqa: PLC0415 - each command loads only what it is
    from tenants.export.running import Wish, export_register  # noqa: PLC0415
    from tenants.keyring import read_keyring  # noqa: PLC0415

    with told():
        opened = None if keyring is None else read_keyring(keyring, name="register", private=True)
        wish = Wish(
            oin, needed(reason, "--reason"), actor(), _period(began, ended), opened,
            tuple(read_note(path.read_text(encoding="utf-8"))[0] for path in anchors),
        )  # fmt: skip
        with show_progress("exporting") as on_progress:
            manifest = connected(database_url, lambda made: export_register(made, wish, target, on_progress))
    rows = sum(one["lines"] for one in manifest["files"] if one["name"].startswith("rows-"))
    click.echo(f"exported {rows} rows of {oin}, up to a tree of {manifest['tree_size']} leaves: {target}")


@register.command("verify")
@click.argument("archive", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--key", "key", type=_FILE, required=True, help="Public keys that you trust: name+number+key, one a line."
)
@_ANCHOR
@_TENANT
@click.option("--gone-before", type=_DAY, help="Rows of calls before this day may be gone with their term, UTC.")
@click.option("--timestamp-roots", type=_FILE, help="Roots of the timestamp authority that you trust, PEM.")
@_FROM
@_TO
@_REASON
@click.option(
    "--operator", "of_operator", is_flag=True, help="The operator's own history instead, by the tenants' user."
)
@_URL
def verify_register(
    archive: Path | None, key: Path, anchors: tuple[Path, ...], oin: str | None, gone_before: datetime | None,
    timestamp_roots: Path | None, began: datetime | None, ended: datetime | None, reason: str | None,
    of_operator: bool, database_url: str | None,
) -> None:  # fmt: skip
    """Verify an export, offline, or, without ARCHIVE, the live register of --tenant. Names the first fault."""
    if of_operator:
        _verify_operator(key, anchors, database_url)
        return
    from tenants.verify.running import verify_archive, verify_live  # noqa: PLC0415

    with told():
        trust = _trust(key, anchors, oin, gone_before, timestamp_roots)
        with show_progress("verifying") as on_progress:
            if archive is not None:
                verdict = verify_archive(archive, trust, on_progress)
            else:
                wanted, why = needed(oin, "--tenant"), needed(reason, "--reason")
                verdict = connected(
                    database_url,
                    lambda made: verify_live(
                        made, wanted, trust, on_progress, reason=why, actor=actor(), period=_period(began, ended)
                    ),
                )
    _show(verdict)


def _verify_operator(key: Path, anchors: tuple[Path, ...], database_url: str | None) -> None:
    from tenants.verify.operator import verify_operator  # noqa: PLC0415

    with told():
        trust = _trust(key, anchors, None, None, None)
        verdict = connected(database_url, lambda made: verify_operator(made, trust, actor=actor()))
    click.echo(f"{verdict.size} changes of the operator, the first {verdict.signed} of them signed")
    for fault in verdict.faults:
        click.echo(str(fault))
    if verdict.faults:
        raise click.exceptions.Exit(1)
    click.echo("everything that was signed is there and whole")


@register.command("make-key")
@click.argument("file", type=_PATH)
def make_key(file: Path) -> None:
    """Make the private key that checkpoints are signed with (KOPPELPUNT_CHECKPOINT_KEY_FILE). Overwrites nothing."""
    from tenants.checkpoints import make_signing_key  # noqa: PLC0415

    with told():
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(make_signing_key())
    click.echo(str(file))


@register.command("show-key")
@click.argument("file", type=_FILE)
@click.option("--origin", envvar="KOPPELPUNT_CHECKPOINT_ORIGIN", default="koppelpunt", show_default=True)
@click.option("--tenant", "oin", required=True, help="OIN of the tenant.")
def show_key(file: Path, origin: str, oin: str) -> None:
    """Show the public keys of a private key file for one tenant's register: what `verify --key` takes."""
    from tenants.checkpoints import VerifierKey, origin_of, read_retired_keys, read_signing_keys  # noqa: PLC0415

    with told():
        pem = file.read_bytes()
        signing = [key.public_key().public_bytes_raw() for key in read_signing_keys(pem)]
        for key in (*signing, *read_retired_keys(pem)):
            click.echo(str(VerifierKey(origin_of(origin, oin), key)))


@register.command("answer-faults")
@click.option("--tenant", "oin", required=True, help="OIN of the tenant.")
@click.option("--reason", required=True, help="What was found and done; it is recorded.")
@click.option("--database-url", envvar="KOPPELPUNT_DATABASE_URL", help="Of a user in the role koppelpunt_sealer.")
def answer_faults(oin: str, reason: str, database_url: str | None) -> None:
    """Answer for the faults that the sealer noted of a tenant's register.

    Its checkpoints are signed again when the tenant's auditor consents; at once when it has no auditor.
    """
    from tenants.sealer.signing import resolve_faults  # noqa: PLC0415

    with told():
        answered = connected(database_url, lambda made: resolve_faults(made, oin, actor=actor(), reason=reason))
    click.echo(f"{answered.resolved} faults answered for")
    if answered.waiting is not None:
        click.echo(
            f"answer {answered.waiting} waits for the tenant's auditor: "
            f"POST /v1/registerfouten/antwoorden/{answered.waiting}/besluiten"
        )


def _show(verdict: "Verdict") -> None:
    tally = verdict.tally
    click.echo(
        f"{verdict.origin}: signed tree of {verdict.size} leaves, leaves {verdict.span[0]} to {verdict.span[1]} looked at"
    )
    click.echo(
        f"{tally.openings} openings, {tally.closings} closings, {tally.wijzigingen} wijzigingen, {tally.gone} gone"
    )
    for note in verdict.notes:
        click.echo(f"note: {note}")
    if verdict.first is None:
        kept = f", and goes on from {len(verdict.anchors)} checkpoint(s) that you kept" if verdict.anchors else ""
        click.echo(f"whole: everything that was sealed is there and is what it was{kept}")
        if not verdict.anchors:
            click.echo(
                "note: without an older checkpoint of your own (--anchor) an older state cannot be told from this one"
            )
        return
    click.echo(f"FAULT {verdict.first}")
    for fault in verdict.faults[1:10]:
        click.echo(f"then  {fault}")
    if len(verdict.faults) > 10:
        click.echo(f"and {len(verdict.faults) - 10} more")
    sys.exit(1)


def _trust(
    key: Path, anchors: tuple[Path, ...], oin: str | None, gone_before: datetime | None, timestamp_roots: Path | None
) -> "Trust":
    from tenants.checkpoints import read_verifier_keys  # noqa: PLC0415
    from tenants.timestamps import read_roots  # noqa: PLC0415
    from tenants.verify.expecting import Trust  # noqa: PLC0415

    notes = tuple(path.read_text(encoding="utf-8") for path in anchors)
    roots = () if timestamp_roots is None else read_roots(timestamp_roots.read_bytes())
    return Trust(read_verifier_keys(key.read_text(encoding="utf-8")), notes, oin, _utc(gone_before), roots)


def _period(began: datetime | None, ended: datetime | None) -> tuple[datetime, datetime] | None:
    if began is None and ended is None:
        return None
    first = _utc(began) or datetime(1970, 1, 1, tzinfo=UTC)
    last = _utc(ended) or datetime.now(UTC)
    if first >= last:
        raise click.UsageError("--from must be before --to.")
    return first, last


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
