"""Brings a timestamp, with the checkpoint that it is about, to the places that get the checkpoints. At least once.

A file share gets `OIN-size.tsr` beside `OIN-size.checkpoint` (which it gets too when it has it not), a URL a POST of JSON,
an officer a mail with both. Apart from the checkpoints themselves, so that neither waits for the other. What lies there under
that name is judged as `sending` judges it: only what a key of the sealer's signed contradicts the register.
"""

import asyncio
import base64
import smtplib
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import asyncpg
import orjson
import structlog

from tenants.checkpoints import BadNote, Checkpoint, read_note
from tenants.delivery.sending import Contradicted, Undelivered, Ways, directory_of, lay_beside, send_mail
from tenants.fetch import FetchError, post
from tenants.sealer.notes import write_octets
from tenants.sealer.tree_metrics import TreeMetrics
from tenants.sealer.trees import note_faults
from tenants.timestamps import Stamped

_AT_ONCE: Final = 8
_TEXT: Final = """\
Geachte functionaris,

Bijgaand een tijdstempel (RFC 3161) van een onafhankelijke tijdstempeldienst over het controlepunt van uw
register, dat toen {size} regels telde. Het bewijst dat het controlepunt op dat moment bestond.

Bewaar dit bericht bij de controlepunten. Dit bericht bevat geen persoonsgegevens.
"""
log = structlog.get_logger("koppelpunt.delivery")


async def with_published_keys(connection: asyncpg.Connection, ways: Ways) -> Ways:
    """The ways, with every public key that the installation made known: what a place holds may be of an older one."""
    published = await connection.fetch("SELECT public_key FROM register.checkpoint_key")
    return replace(ways, keys=tuple({*ways.keys, *(row["public_key"] for row in published)}))


async def deliver_stamps_due(connection: asyncpg.Connection, ways: Ways, metrics: TreeMetrics) -> bool:
    """Deliver timestamps that are due, a few at once; tell whether anything was."""
    taken = await connection.fetch("SELECT * FROM register.take_timestamp_deliveries($1)", _AT_ONCE)
    known = await with_published_keys(connection, ways) if taken else ways
    errors = await asyncio.gather(*(_deliver(known, row) for row in taken))
    for row, error in zip(taken, errors, strict=True):
        await connection.execute(
            "SELECT register.end_timestamp_delivery($1, $2, $3, $4)",
            row["tenant_id"], row["destination_id"], row["size"], None if error is None else str(error),
        )  # fmt: skip
        if isinstance(error, Contradicted):
            place = f"checkpoint destination {row['destination_id']} at size {row['size']}: {error}"
            await note_faults(connection, [(row["tenant_id"], "destination_contradicts", place)], halts=True)
        metrics.deliveries.labels(row["kind"], "delivered" if error is None else "failed").inc()
        if error is not None:
            log.warning(
                "timestamp_not_delivered",
                tenant=row["tenant_id"],
                destination=row["destination_id"],
                kind=row["kind"],
                error=str(error),
            )
    return bool(taken)


async def _deliver(ways: Ways, row: asyncpg.Record) -> Undelivered | None:
    try:
        await asyncio.to_thread(deliver_stamp, ways, row["kind"], row["target"], Stamped(row["note"], row["token"]))
    except Undelivered as error:
        return error
    return None


def deliver_stamp(ways: Ways, kind: str, target: str, stamped: Stamped) -> None:
    """Bring a timestamp to a place. Blocks: meant for a thread. Raises Undelivered, Contradicted."""
    try:
        checkpoint, _ = read_note(stamped.note)
    except BadNote:
        raise Undelivered("geen_controlepunt") from None
    try:
        if kind == "file":
            _lay_down(ways, directory_of(ways, target), checkpoint, stamped)
        elif kind == "http":
            if ways.fetch is None:
                raise Undelivered("niet_ingericht")
            body = {"checkpoint": stamped.note, "timestamp": base64.b64encode(stamped.token).decode()}
            post(ways.fetch, target, orjson.dumps(body), {"Content-Type": "application/json"})
        else:
            _mail(ways, target, checkpoint, stamped)
    except FetchError as error:
        raise Undelivered(error.code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(type(error).__name__) from None


def _lay_down(ways: Ways, directory: Path, checkpoint: Checkpoint, stamped: Stamped) -> None:
    name = f"{checkpoint.origin.rpartition('/')[2]}-{checkpoint.size:020d}"
    lay_beside(ways, directory / f"{name}.checkpoint", checkpoint, stamped.note)
    write_octets(directory / f"{name}.tsr", stamped.token)


def _mail(ways: Ways, target: str, checkpoint: Checkpoint, stamped: Stamped) -> None:
    message = EmailMessage()
    message["Subject"] = f"Tijdstempel over uw register: {checkpoint.size} regels"
    message.set_content(_TEXT.format(size=checkpoint.size))
    message.add_attachment(stamped.note, filename="controlepunt.txt")
    message.add_attachment(stamped.token, maintype="application", subtype="timestamp-reply", filename="tijdstempel.tsr")
    send_mail(ways, target, message)
