"""Addresses that this side fetches from, as a shape takes them: what would never be fetched is refused when it is registered.

An address stands in the history for good, and in voorstellen that the operator reads: so it holds no name, password or other
secret. Sources: OpenID Connect Discovery 3 and RFC 8414 section 2 (an issuer has no query and no fragment).
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tenants.api.shapes import one_line

_WORDS = (
    "Dit is een https-adres met een hostnaam en een geldige poort, zonder gebruiker, wachtwoord, vraagteken of hekje."
)


def _is_plain(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and parts.port != 0 and not any(one in url for one in "@?#\\")
    except ValueError:
        is_plain = False
    if not is_plain:
        raise ValueError(_WORDS)
    return url


HttpsAdres = Annotated[
    str,
    Field(
        pattern=r"^https://[!-~]+$",
        max_length=500,
        description="https, zichtbare ASCII, zonder gebruiker of vraagteken.",
    ),
    AfterValidator(_is_plain),
]

Mail = Annotated[str, Field(pattern=r'^[^@\s<>,;"]+@[A-Za-z0-9.-]+$', max_length=254), AfterValidator(one_line)]
Telefoon = Annotated[str, Field(pattern=r"^[+0-9][-0-9 ()]{3,30}$")]


def _plain_webhook(url: str) -> str:
    if any(one in url for one in "@?#"):
        raise ValueError("Een webhook is een https-adres zonder gebruiker, vraagteken of hekje.")
    return url


Webhook = Annotated[
    str, Field(pattern=r"^https://[!-.0-9:;<=>A-~]+(/[!-~]*)?$", max_length=500), AfterValidator(_plain_webhook)
]
"""Where notices go."""
