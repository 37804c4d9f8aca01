"""`koppelpunt register check-receipts`: whether a pile of receipts is answered for by a register, or by an export of it."""

import sys
from pathlib import Path
from typing import TextIO

import click

from gateway.register_asking import actor, connected, needed, told
from gateway.register_commands import _ANCHOR, _FILE, _REASON, _TENANT, _URL, _trust


@click.command("check-receipts")
@click.argument("file", type=click.File("r"))
@_TENANT
@click.option(
    "--export", "archive", type=click.Path(exists=True, path_type=Path), help="Check against an export, offline."
)
@click.option("--key", "key", type=_FILE, help="With --export: public keys that you trust; it is verified first.")
@_ANCHOR
@_REASON
@_URL
def check_receipts(
    file: TextIO, oin: str | None, archive: Path | None, key: Path | None, anchors: tuple[Path, ...],
    reason: str | None, database_url: str | None,
) -> None:  # fmt: skip
    """Check receipts (X-Protocol-Bewijs: id:number:hash, one a line; - for standard input) against the register."""
    from tenants.verify.receipts import check_archive, check_live, read_receipts  # noqa: PLC0415

    with told():
        receipts = read_receipts(file)
        if archive is not None:
            trust = _trust(Path(needed(str(key or ""), "--key")), anchors, oin, None, None)
            checked = check_archive(archive, receipts, trust)
        else:
            wanted, why = needed(oin, "--tenant"), needed(reason, "--reason")
            checked = connected(
                database_url, lambda made: check_live(made, wanted, receipts, reason=why, actor=actor())
            )
    if checked.broken is not None:
        click.echo(f"FAULT {checked.broken}")
        click.echo("the export itself is not whole: nothing was checked against it")
        sys.exit(1)
    for receipt, trouble in checked.faults:
        click.echo(f"line {receipt.line}: {receipt.id}: {trouble}")
    if checked.destroyed:
        click.echo(f"{checked.destroyed} went with their term, and a proof names them")
    click.echo(f"{checked.receipts} receipts, {len(checked.faults)} that the register does not answer for")
    sys.exit(1 if checked.faults else 0)
