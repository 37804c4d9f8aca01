"""The token endpoint: client credentials over mutual TLS, as RvIG's (FACTS of the domain: RFC 6749 section 4.4).

Owns the tokens that are alive. Checks, in this order: form, grant type, credentials, blocking, certificate OIN, scope,
resourceServer. Errors are RFC 6749 section 5.2 documents. A token is bound to the certificate OIN that asked for it.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.simulator.afnemers import Afnemers
from gateway.simulator.calls import PLAIN_JSON, Call, Connection, Reply
from gateway.simulator.settings import LAP_SUFFIX, SimAfnemer, SimulatorSettings

_FORM: Final = "application/x-www-form-urlencoded"
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PURGE_AT: Final = 50_000


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What the simulator knows of a token, whatever the token itself says. `expires` is Unix time."""

    account: SimAfnemer
    endpoint: str
    certificate_oin: str | None
    fingerprint: str
    expires: float
    scope: str
    resource_server: str

    def fits(self, api: str, environment: str | None) -> bool:
        """Whether the endpoint claim is for this API, and for this environment if the path has one."""
        wanted = "brp-berichten" if api == "berichten" else "brp"
        in_lap = self.endpoint.endswith(LAP_SUFFIX)
        if environment is not None and in_lap != (environment == "proef"):
            return False
        return self.endpoint.removesuffix(LAP_SUFFIX) == wanted


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """A token request, parsed as far as it goes; `error` is set if it goes wrong in its form."""

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    grant_type: str | None = None
    scope: str | None = None
    resource_server: str | None = None
    basic: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Bend:
    """How a fault bends the issuing: claims that replace true ones, a token that is opaque or dead on arrival."""

    claims: Mapping[str, str] = field(default_factory=dict)
    opaque: bool = False
    expired: bool = False


STRAIGHT: Final = Bend()


def parse_ask(call: Call) -> TokenAsk:
    """Read a request in either way of client authentication (RFC 6749 section 2.3.1): body members or Basic."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return TokenAsk(error="content type")
    try:
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True, max_num_fields=40)
    except ValueError:
        return TokenAsk(error="form")
    form = dict(pairs)
    client_id, client_secret = form.get("client_id"), form.get("client_secret")
    error = "repeated parameter" if len(form) != len(pairs) else None
    basic = _read_basic(call.headers.get("authorization"))
    if basic:
        # A client must not use more than one way of authentication (RFC 6749 section 2.3).
        error = error or ("two ways of authentication" if client_secret is not None else None)
        error = error or ("two client_ids" if client_id not in {None, basic[0]} else None)
        client_id, client_secret = basic
    return TokenAsk(
        client_id, client_secret, form.get("grant_type"), form.get("scope"), form.get("resourceServer"),
        basic is not None, error,
    )  # fmt: skip


def _read_basic(value: str | None) -> tuple[str, str] | None:
    if value is None or value[:6].lower() != "basic ":
        return None
    try:
        name, colon, secret = base64.b64decode(value[6:].strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (unquote_plus(name), unquote_plus(secret)) if colon else None


class Tokens:
    """Tokens that were issued, by their text. Single-threaded; forgets expired ones when there are very many."""

    def __init__(self, settings: SimulatorSettings, afnemers: Afnemers) -> None:
        self._settings = settings
        self._afnemers = afnemers
        self._issued: dict[str, IssuedToken] = {}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = self._key.public_key()

    def find(self, authorization: str | None) -> IssuedToken | None:
        """Find the token of an Authorization header; an expired one is found too."""
        text = _bearer(authorization)
        return None if text is None else self._issued.get(text)

    def forget(self, authorization: str | None) -> None:
        """Make the token of an Authorization header unknown from now on."""
        self._issued.pop(_bearer(authorization) or "", None)

    def expire(self, client_id: str | None = None) -> int:
        """Make the tokens of a client-ID (None: all) refused as unknown to the gateway from now; return how many."""
        gone = [text for text, one in self._issued.items() if client_id in {None, one.account.client_id}]
        for text in gone:
            del self._issued[text]
        return len(gone)

    def answer(self, ask: TokenAsk, call: Call, bend: Bend = STRAIGHT) -> Reply:  # noqa: PLR0911 - one return per check
        """Issue a token or say why not."""
        if call.method != "POST":
            return Reply(405, headers={"Allow": "POST"}, content_type=None)
        if ask.error or ask.client_id is None or ask.grant_type is None:
            return refusal("invalid_request")
        if ask.grant_type != "client_credentials":
            return refusal("unsupported_grant_type")
        accounts = self._authenticated(ask)
        if not accounts:
            return refusal("invalid_client", basic=ask.basic)
        if all(one.blocked for one in accounts):
            return refusal("invalid_client", "Het account is geblokkeerd.", basic=ask.basic)
        oin = call.connection.certificate_oin
        accounts = [one for one in accounts if not one.blocked and self.accepts(one, oin)]
        if not accounts:
            return refusal("invalid_client", "Het certificaat hoort niet bij dit account.", basic=ask.basic)
        account = next((one for one in accounts if ask.scope in scopes_of(one)), None)
        if account is None:
            return refusal("invalid_scope")
        endpoint = self._settings.resource_servers.get(ask.resource_server or "")
        if endpoint is None:
            return refusal("invalid_request", "resourceServer is onbekend.")
        return self._issue(account, self._endpoint(account, endpoint), ask, call.connection, bend)

    def accepts(self, account: SimAfnemer, certificate_oin: str | None) -> bool:
        """Whether a certificate with this OIN may use the account now."""
        if certificate_oin is None or certificate_oin in self._afnemers.revoked_oins:
            return False
        if account.certificate_oins is None:
            return certificate_oin == account.oin
        return certificate_oin in account.certificate_oins

    def _authenticated(self, ask: TokenAsk) -> list[SimAfnemer]:
        given = (ask.client_secret or "").encode()
        return [
            one
            for one in self._afnemers.of_client(ask.client_id or "")
            if any(hmac.compare_digest(given, known.encode()) for known in (one.client_secret, *one.previous_secrets))
        ]

    def _endpoint(self, account: SimAfnemer, endpoint: str) -> str:
        in_lap = (account.environment or self._settings.environment) == "proef"
        return endpoint + LAP_SUFFIX if in_lap and not endpoint.endswith(LAP_SUFFIX) else endpoint

    def _issue(self, account: SimAfnemer, endpoint: str, ask: TokenAsk, connection: Connection, bend: Bend) -> Reply:
        now, scope = self._settings.clock(), ask.scope or ""
        seconds = self._settings.token_seconds
        if bend.opaque or self._settings.opaque_tokens:
            text = secrets.token_urlsafe(48)
        else:
            text = jwt.encode(self._payload(account, scope, endpoint, int(now), bend), self._key, "ES256")
        if len(self._issued) >= _PURGE_AT:
            self._issued = {key: one for key, one in self._issued.items() if one.expires > now}
        expires = now if bend.expired else now + seconds
        self._issued[text] = IssuedToken(
            account,
            endpoint,
            connection.certificate_oin,
            connection.fingerprint,
            expires,
            scope,
            ask.resource_server or "",
        )
        document = {"access_token": text, "token_type": "bearer", "expires_in": seconds, "scope": scope}
        return Reply(200, orjson.dumps(document), PLAIN_JSON, _NO_STORE)

    def _payload(self, account: SimAfnemer, scope: str, endpoint: str, now: int, bend: Bend) -> dict[str, Any]:
        claims = {"OIN": account.oin, "afnemerID": account.afnemer_id, "endpoint": endpoint}
        if account.gemeente_code is not None:
            claims["gemeenteCode"] = account.gemeente_code
        if account.mailbox_id is not None:
            claims["mailboxid"] = account.mailbox_id
        claims.update(bend.claims)
        return {
            "iss": self._settings.issuer,
            "aud": account.client_id,
            "sub": account.client_id,
            "iat": now,
            "nbf": now - 30,
            "exp": now + self._settings.token_seconds,
            "jti": secrets.token_hex(16),
            "scope": [scope],
            "claims": [f"{key}={value}" for key, value in claims.items() if value],
        }


def _bearer(authorization: str | None) -> str | None:
    if authorization is None or authorization[:7].lower() != "bearer ":
        return None
    return authorization[7:].strip()


def scopes_of(account: SimAfnemer) -> set[str]:
    """The forms of scope that were seen: AfnemerID-OIN, the OIN alone, and that of Berichten's acceptance environment."""
    scopes = {f"{account.afnemer_id}-{account.oin}", account.oin}
    if account.mailbox_id is not None:
        scopes.add(f"acc-bba-{account.mailbox_id}")
    return scopes


def refusal(error: str, description: str | None = None, *, basic: bool = False) -> Reply:
    """An error of RFC 6749 section 5.2: 401 for a client that failed to authenticate, else 400."""
    document = {"error": error} | ({"error_description": description} if description else {})
    headers = dict(_NO_STORE) | ({"WWW-Authenticate": "Basic"} if basic and error == "invalid_client" else {})
    return Reply(401 if error == "invalid_client" else 400, orjson.dumps(document), PLAIN_JSON, headers)
