"""Addresses that this side fetches from, as a shape takes them: what would never be fetched is refused when it is registered.

An address stands in the history for good, and in voorstellen that the operator reads: so it holds no name, password or other
secret. Sources: OpenID Connect Discovery 3 and RFC 8414 section 2 (an issuer has no query and no fragment).
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

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
