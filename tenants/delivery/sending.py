"""Brings one checkpoint to one place. Blocks: meant for a thread. Raises Undelivered, whose text is a code.

A file is named after the tenant and the size of its tree, and never written over. When one of that name says something else,
or one of a larger size is there already, and it is signed by a key of the sealer's, the register was put back or forked, and
that is told instead. A file that nobody signed proves nothing about the register: it only keeps ours from being delivered.
"""

import smtplib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tenants.checkpoints import BadNote, Checkpoint, VerifierKey, open_note, read_note
from tenants.fetch import FetchError, FetchRules, post
from tenants.sealer.notes import write_whole

_SECONDS: Final = 10.0
_MOST_OCTETS: Final = 65_536
_MOST_LARGER: Final = 100
"""Files of a larger size that are looked into. Any at all keep a checkpoint from being laid down."""
_TEXT: Final = """\
Geachte functionaris,

Bijgaand het controlepunt van het register (de protocollering) van uw organisatie bij het koppelpunt.
Het is een ondertekende samenvatting: het register telde {size} regels toen het werd gemaakt.

Bewaar dit bericht. Wie later iets uit die regels weglaat, verandert of verplaatst, kan geen register meer
tonen dat bij dit controlepunt past. Zo kijkt u dat na:

    koppelpunt register verify --anchor controlepunt.txt --key sleutels.txt MAP-MET-EXPORT

Dit bericht bevat geen persoonsgegevens.
"""


class Undelivered(Exception):
    """The place did not take it. The text is a code: no path, address or answer stands in it."""


class Contradicted(Undelivered):
    """The place holds a checkpoint, signed by a key of the sealer's, that cannot be of the same history. `note` is it."""

    def __init__(self, code: str, note: str = "") -> None:
        super().__init__(code)
        self.note = note


@dataclass(frozen=True, slots=True)
class Ways:
    """By which ways checkpoints can leave here; None where the operator has set up none."""

    share: Path | None = None
    fetch: FetchRules | None = None
    smtp_url: str | None = None
    smtp_from: str | None = None
    keys: tuple[bytes, ...] = ()
    """Public keys by which checkpoints of the sealer are known."""


def deliver(ways: Ways, kind: str, target: str, note: str) -> None:
    """Bring a checkpoint to a place. Raises Undelivered, Contradicted."""
    try:
        checkpoint, _ = read_note(note)
    except BadNote:
        raise Undelivered("geen_controlepunt") from None
    try:
        if kind == "file":
            _lay_down(ways, target, checkpoint, note)
        elif kind == "http":
            if ways.fetch is None:
                raise Undelivered("niet_ingericht")
            post(ways.fetch, target, note.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        else:
            _mail(ways, target, checkpoint, note)
    except FetchError as error:
        raise Undelivered(error.code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(type(error).__name__) from None


def directory_of(ways: Ways, target: str) -> Path:
    """The directory of a place on the file share, made when it is not there. Raises Undelivered, OSError."""
    if ways.share is None:
        raise Undelivered("niet_ingericht")
    share = ways.share.resolve()
    directory = (share / target).resolve()
    if not directory.is_relative_to(share):
        raise Undelivered("buiten_de_share")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _lay_down(ways: Ways, target: str, checkpoint: Checkpoint, note: str) -> None:
    directory = directory_of(ways, target)
    oin = checkpoint.origin.rpartition("/")[2]
    path = directory / f"{oin}-{checkpoint.size:020d}.checkpoint"
    larger = sorted(
        one for one in directory.glob(f"{oin}-{'[0-9]' * 20}.checkpoint") if one.name > path.name
    )[:_MOST_LARGER]  # fmt: skip
    for one in larger:
        text, found = read_signed(one, checkpoint.origin, ways.keys)
        if found is not None and found.size > checkpoint.size:
            raise Contradicted("teruggezet", text)
    if larger:
        raise Undelivered("onbekend_bestand")
    lay_beside(ways, path, checkpoint, note)


def lay_beside(ways: Ways, path: Path, checkpoint: Checkpoint, note: str) -> None:
    """Write a checkpoint under this name, unless it is there. Raises Undelivered, Contradicted, OSError.

    Another signature over the same tree may be there, after a rotation of the sealer's key; another tree may not.
    """
    if not path.exists():
        write_whole(path, note)
        return
    text, found = read_signed(path, checkpoint.origin, ways.keys)
    if found is None:
        raise Undelivered("onbekend_bestand")
    if found != checkpoint:
        raise Contradicted("gevorkt", text)


def read_signed(path: Path, origin: str, keys: Iterable[bytes]) -> tuple[str, Checkpoint | None]:
    """What a file says, when it is a checkpoint of this tree that one of the keys signed; None when it is not."""
    with path.open("rb") as stream:
        text = stream.read(_MOST_OCTETS).decode("utf-8", "replace")
    try:
        return text, open_note(text, [VerifierKey(origin, key) for key in keys])
    except BadNote:
        return text, None


def _mail(ways: Ways, target: str, checkpoint: Checkpoint, note: str) -> None:
    message = EmailMessage()
    message["Subject"] = f"Controlepunt van uw register: {checkpoint.size} regels"
    message.set_content(_TEXT.format(size=checkpoint.size))
    message.add_attachment(note, filename="controlepunt.txt")
    send_mail(ways, target, message)


def send_mail(ways: Ways, target: str, message: EmailMessage) -> None:
    """Send a mail over the operator's server. Raises Undelivered, OSError, SMTPException."""
    if ways.smtp_url is None or ways.smtp_from is None:
        raise Undelivered("niet_ingericht")
    message["From"], message["To"] = ways.smtp_from, target
    message["Auto-Submitted"] = "auto-generated"
    parts = urlsplit(ways.smtp_url)
    with _connect(parts.scheme, parts.hostname or "", parts.port) as connection:
        if parts.username:
            connection.login(unquote(parts.username), unquote(parts.password or ""))
        connection.send_message(message)


def _connect(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    """smtps: TLS at once. smtp: STARTTLS, or nothing. smtp-plain: no TLS, to this machine only."""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=_SECONDS, context=context)
    if scheme == "smtp-plain" and not _is_this_machine(host):
        raise Undelivered("zonder_tls")
    connection = smtplib.SMTP(host, port or (587 if scheme == "smtp" else 25), timeout=_SECONDS)
    if scheme == "smtp":
        connection.starttls(context=context)
    return connection


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
