"""Brings one notice to one address, by mail or by webhook. Blocks: meant for a thread. Raises Undelivered, whose text is a code.

At least once: who takes a delivery and dies has not done it, so that the next one sends it again. Both times it has the same
`Message-ID` or `Koppelpunt-Bezorging`, by which a receiver knows it.
"""

import smtplib
import textwrap
import time
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import orjson

from tenants.delivery.sending import Undelivered, Ways, send_mail
from tenants.fetch import FetchError, post
from tenants.notices.rows import Delivery
from tenants.notices.signing import HEADER, NoticeKeys, signature_of, webhook_secret

DELIVERY_HEADER: Final = "Koppelpunt-Bezorging"
_WIDTH: Final = 72
_TEXT: Final = """\
{tenant} (OIN {oin})

{words}

--
Melding {number} van het koppelpunt, van {raised}. U vindt haar terug met
GET /v1/meldingen/{number}. Dit bericht is automatisch verstuurd en bevat
geen persoonsgegevens.
"""


@dataclass(frozen=True, slots=True)
class NoticeWays:
    """By which ways notices can leave here, and where the operator is told."""

    ways: Ways
    keys: NoticeKeys | None = None
    operator: tuple[str, ...] = ()


def send_notice(how: NoticeWays, delivery: Delivery) -> None:
    """Bring a notice to its address. Raises Undelivered."""
    try:
        if delivery.way == "webhook":
            _post(how, delivery)
        else:
            _mail(how, delivery)
    except FetchError as error:
        raise Undelivered(error.code) from None
    except (OSError, smtplib.SMTPException, MessageError, ValueError) as error:
        raise Undelivered(type(error).__name__) from None


def _mail(how: NoticeWays, delivery: Delivery) -> None:
    own = () if delivery.email is None else (delivery.email,)
    targets = how.operator if delivery.contact_id is None else own
    if not targets:
        raise Undelivered("geen_adres")
    sender = how.ways.smtp_from or ""
    message = EmailMessage()
    message["Subject"] = f"[Koppelpunt] {delivery.subject}"
    message["Date"] = format_datetime(delivery.raised_at)
    message["Message-ID"] = f"<melding-{_identity(delivery)}@{sender.rpartition('@')[2] or 'koppelpunt'}>"
    message.set_content(text_of(delivery))
    send_mail(how.ways, ", ".join(targets), message)


def text_of(delivery: Delivery) -> str:
    """The body of a mail, in lines that fit."""
    words = "\n\n".join(
        textwrap.fill(part, _WIDTH, break_long_words=False, break_on_hyphens=False)
        for part in delivery.words.split("\n\n")
    )
    return _TEXT.format(
        tenant=delivery.tenant_name, oin=delivery.oin, words=words, number=delivery.melding_id,
        raised=f"{delivery.raised_at:%d-%m-%Y}",
    )  # fmt: skip


def _post(how: NoticeWays, delivery: Delivery) -> None:
    if how.ways.fetch is None or how.keys is None:
        raise Undelivered("niet_ingericht")
    if delivery.webhook_url is None or delivery.contact_id is None:
        raise Undelivered("geen_adres")
    secret = webhook_secret(
        how.keys, delivery.webhook_key or "", delivery.tenant_id, delivery.contact_id, delivery.webhook_generation or 0
    )
    if secret is None:
        raise Undelivered("sleutel_ontbreekt")
    body = document_of(delivery)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Koppelpunt",
        HEADER: signature_of(secret, body, int(time.time())),
        DELIVERY_HEADER: _identity(delivery),
    }
    post(how.ways.fetch, delivery.webhook_url, body, headers)


def document_of(delivery: Delivery) -> bytes:
    """What a webhook gets: the shape of a melding as the admin API has it, and whose it is."""
    return orjson.dumps(
        {
            "oin": delivery.oin,
            "nummer": delivery.melding_id,
            "soort": delivery.kind,
            "object": delivery.object,
            "drempel": delivery.threshold,
            "onderwerp": delivery.subject,
            "tekst": delivery.words,
            "uiterlijk": delivery.due_at,
            "gemeldOp": delivery.raised_at,
        }
    )


def _identity(delivery: Delivery) -> str:
    return f"{delivery.tenant_id}-{delivery.bezorging_id}"
