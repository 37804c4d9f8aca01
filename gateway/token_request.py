"""The request for a token and the reading of its answer: form, credentials, grant and refusals. Pure but for unsealing.

Refuses scope templates with names that it does not know, and tokens that could not stand in a header. What an answer that
is no grant means stands in `gateway.token_rules`.
"""

import base64
import hashlib
import json
import math
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

from yarl import URL

from gateway.call import Answered, Result
from gateway.catalogue import Api, Environment
from gateway.errors import IdentityUnavailable, TokenUnavailable
from gateway.token_rules import document_of
from gateway.wire.pools import Post
from tenants.keyring import Keyring
from tenants.model import Aansluiting, Certificate, Credential
from tenants.sealing import SealingError, open_sealed

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}={0,2}")
_UNSAID_SECONDS = 60.0
_LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `key` is that of its cache; times are on the clock of the cache, in seconds.

    `generation` grows with each token that replicas share under the same key; 0 for one that is not shared.
    """

    value: str = field(repr=False)
    key: bytes
    issued_at: float
    expires_at: float
    generation: int = 0


class Wire(Protocol):
    """What sends the request over the mTLS identity of the aansluiting: the same pools as the calls'."""

    async def ask(self, certificate: Certificate, environment: str, post: Post) -> Result: ...


class Secrets:
    """Opens client-secrets with the identity keyring, for the moment of the request only."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def open(self, credential: Credential) -> str:
        """The client-secret. Raises IdentityUnavailable when it does not open."""
        context = f"{credential.tenant_id}/{credential.client_id}"
        try:
            return open_sealed(
                self._keyring, credential.secret_sealed, purpose="client-secret", context=context
            ).decode()
        except (SealingError, UnicodeDecodeError):
            raise IdentityUnavailable("secretGesloten", "Het client-secret van de aansluiting opent niet.") from None


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """One way to ask for a token, without the secret. `key` is a digest of all that could change the answer."""

    aansluiting: Aansluiting
    environment: Environment
    api: Api
    key: bytes
    scope: str
    fields: Mapping[str, str] = field(repr=False)

    def make_post(self, secret: str) -> Post:
        """Make the request; the secret goes as form field or as Basic, as the credential says (RFC 6749 2.3.1)."""
        credential = self.aansluiting.credential
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": "Koppelpunt",
        }
        form = dict(self.fields)
        if credential.authentication == "basic":
            pair = f"{quote_plus(credential.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = credential.client_id
            form["client_secret"] = secret
        environment = self.environment
        return Post(
            "POST",
            URL(environment.token_url, encoded=True),
            headers,
            urlencode(form).encode(),
            connect_seconds=environment.connect_timeout,
            seconds=environment.token_timeout,
        )


def make_ask(aansluiting: Aansluiting, environment: Environment, api: Api) -> TokenAsk:
    """Work out scope, resourceServer and key. Raises IdentityUnavailable for a template that cannot be filled in."""
    if aansluiting.environment != environment.name:
        raise IdentityUnavailable("omgevingTegenstrijdig", "De aansluiting hoort bij een andere omgeving.")
    template = aansluiting.scope_template or api.scope_template or environment.scope_template
    scope = fill_scope(template, aansluiting)
    fields = {
        **environment.token_fields,
        "grant_type": "client_credentials",
        "scope": scope,
        "resourceServer": aansluiting.resource_server or api.resource_server or environment.resource_server,
    }
    credential = aansluiting.credential
    parts = (
        environment.name,
        environment.token_url,
        str(credential.tenant_id),
        credential.client_id,
        str(credential.credential_id),
        str(credential.version),
        credential.authentication,
        aansluiting.certificate.fingerprint.hex(),
        # What a token is checked against: one that passed one check was not seen by another, though asked for alike.
        api.endpoint,
        aansluiting.afnemer_id,
        aansluiting.organisation_oin,
        aansluiting.gemeentecode,
        aansluiting.mailbox_id,
        *(f"{name}={value}" for name, value in sorted(fields.items())),
    )
    # JSON keeps the parts apart whatever they hold.
    return TokenAsk(aansluiting, environment, api, hashlib.sha256(json.dumps(parts).encode()).digest(), scope, fields)


def fill_scope(template: str, aansluiting: Aansluiting) -> str:
    """Fill in {afnemer_id}, {oin}, {certificate_oin} and {mailbox_id}, and nothing else. Raises IdentityUnavailable."""
    known = {
        "afnemer_id": aansluiting.afnemer_id,
        "oin": aansluiting.organisation_oin,
        # Another's only by an exception to the certificate rule; whose OIN RvIG wants then is data, not code.
        "certificate_oin": aansluiting.certificate.oin,
        "mailbox_id": aansluiting.mailbox_id,
    }
    parts: list[str] = []
    try:
        for text, name, form, conversion in string.Formatter().parse(template):
            parts.append(text)
            if name is None:
                continue
            value = known.get(name)
            if value is None or form or conversion:
                detail = "Het scope-sjabloon vraagt een gegeven dat de aansluiting niet heeft."
                raise IdentityUnavailable("scopeOnbruikbaar", detail)
            parts.append(value)
    except ValueError:
        raise IdentityUnavailable("scopeOnbruikbaar", "Het scope-sjabloon is onleesbaar.") from None
    return "".join(parts)


def read_grant(answered: Answered) -> tuple[str, float]:
    """Read access_token and life in seconds (RFC 6749 section 5.1). Raises TokenUnavailable for anything else."""
    document = document_of(answered)
    value, kind = document.get("access_token"), document.get("token_type", "bearer")
    fits = isinstance(value, str) and _TOKEN.fullmatch(value) and isinstance(kind, str) and kind.lower() == "bearer"
    seconds = _seconds(document.get("expires_in"))
    if not fits or seconds is None:
        raise TokenUnavailable("tokenOnbruikbaar", "Het tokenendpoint van RvIG gaf een onbruikbaar antwoord.")
    return str(value), seconds


def _seconds(expires_in: Any) -> float | None:
    if expires_in is None:
        return _UNSAID_SECONDS
    try:
        seconds = float(expires_in) if isinstance(expires_in, int | float | str) else math.nan
    except ValueError:
        return None
    return min(seconds, _LONGEST_SECONDS) if seconds > 0 else None
