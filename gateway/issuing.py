"""The gateway's own token endpoint, in RvIG's shape: `POST /nidp/oauth/nam/token`, with JWKS and metadata beside it.

A taaksysteem that was built for RvIG's endpoint works here with another host name and other credentials. The scope
`AfnemerID-OIN` must fit exactly one aansluiting that a machtiging allows; a scope that fits none or two is refused,
never completed. Each request is a call of its taaksysteem for the rate limits, and has its line, its count and, where it is
refused, its place in the security log, as a bevraging has. Sources: RFC 6749 (2.3.1, 3.2, 4.4, 5), RFC 8414, RFC 7517. `resourceServer` is accepted and has no
meaning here: RvIG's is chosen per environment. The environment of a token is that of the taaksysteem.
"""

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

import orjson

from gateway.call import Caller, Outgoing, Received
from gateway.caller import Authenticator
from gateway.choose import allowed_aansluitingen
from gateway.errors import KoppelpuntError, NotAuthenticated, TooMany
from gateway.idp.assertions import TYPE, Use
from gateway.issued import SECONDS, TokenMint, scope_of
from gateway.limiting import Field
from gateway.metrics import Metrics
from gateway.problems import status_of
from gateway.snapshot import Snapshot
from gateway.telemetry import TokenRecord, actor_of, note_security
from gateway.unknown_callers import UnknownCallers
from tenants.jws import ALGORITHMS
from tenants.model import Aansluiting, Taaksysteem

ROOT: Final = "/nidp/oauth/nam"
TOKEN_PATH: Final = f"{ROOT}/token"
JWKS_PATH: Final = f"{ROOT}/jwks"
METADATA_PATH: Final = "/.well-known/oauth-authorization-server"

_ANSWERS: Final = {
    "legitimatieOntbreekt": "This client must present its client certificate too.",
    "legitimatiesTegenstrijdig": "The client certificate is not this client's.",
}
"""What a client may know beyond being unknown: only codes that come after its own credential was right."""

_MOST_FIELDS: Final = 32
_FORM: Final = "application/x-www-form-urlencoded"

_TARGET: Final = "tokens"
_ACTION: Final = "tokenverzoek"

Route = Callable[[Received], Awaitable[Outgoing]]
Limit = Callable[[Taaksysteem], Awaitable[list[Field]]]


@dataclass(frozen=True, slots=True)
class Watch:
    """By what the endpoint is counted, limited and told of. `limit` takes one call of a taaksysteem, or raises."""

    metrics: Metrics
    limit: Limit
    unknown: UnknownCallers


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, 5.2. The description is ASCII, for whoever builds the taaksysteem.

    `code` is for log and count: why, where that says more than the caller may know.
    """

    def __init__(self, error: str, description: str, status: int = 400, *, code: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.code = code or error


def issuing_routes(
    authenticator: Authenticator,
    mint: TokenMint,
    snapshot: Snapshot,
    watch: Watch,
    *,
    clock: Callable[[], float] = time.time,
    use: Callable[[Use], Awaitable[bool]] | None = None,
    binds: bool = False,
) -> dict[str, Route]:
    """Return the paths of the endpoint, for the edge. `clock` is Unix time in seconds.

    `use` uses up a client assertion, and tells whether it was new; without it none is accepted. `binds` says whether
    callers can present certificates, to which their tokens are bound then.
    """

    async def issue(received: Received, record: TokenRecord, limited: list[Field]) -> Outgoing:
        fields = read_form(received)
        record.caller = caller = await recognise(received, fields, authenticator, use)
        limited.extend(await watch.limit(caller.taaksysteem))
        record.aansluiting = aansluiting = choose_grant(fields, caller, snapshot, clock())
        certificate = received.certificate
        bound_to = None if certificate is None else certificate.thumbprint
        value = mint.make(caller.taaksysteem, caller.key, aansluiting, clock(), bound_to)
        answer = {"access_token": value, "token_type": "bearer", "expires_in": SECONDS, "scope": scope_of(aansluiting)}
        return Outgoing(200, _headers(), orjson.dumps(answer))

    async def token(received: Received) -> Outgoing:
        if received.method != "POST":
            return _not_allowed("POST")
        record, limited = TokenRecord(received, time.monotonic()), list[Field]()
        try:
            outgoing = await issue(received, record, limited)
            record.end("", outgoing.status)
        except OAuthError as error:
            record.end(error.code, error.status)
            _note_refusal(record, error, watch)
            outgoing = _refusal(error)
        except KoppelpuntError as error:
            record.end(error.code, status_of(error))
            if record.caller is None and isinstance(error, TooMany):
                watch.unknown.note(_ACTION, target=_TARGET, code=error.code, source=received.source)
            raise
        finally:
            record.write(watch.metrics)
        outgoing.headers.extend(limited)
        return outgoing

    metadata = _document(_metadata(mint.issuer, signs=use is not None, binds=binds))
    return {
        TOKEN_PATH: token,
        JWKS_PATH: _document(mint.keys.jwks()),
        METADATA_PATH: metadata,
        # RFC 8414, 3.1: the issuer's own path comes after the well-known one.
        METADATA_PATH + ROOT: metadata,
    }


async def recognise(
    received: Received,
    fields: Mapping[str, str],
    authenticator: Authenticator,
    use: Callable[[Use], Awaitable[bool]] | None,
) -> Caller:
    """Return who asks for a token. Raises OAuthError; TooMany for wrong ones, RegisterUnavailable for an assertion."""
    source, certificate = received.source, received.certificate
    authorization = received.headers.get("authorization")
    try:
        if "client_assertion" not in fields and "client_assertion_type" not in fields:
            client_id, secret = read_client(fields, authorization)
            return authenticator.authenticate_client(client_id, secret, source, certificate)
        text = read_client_assertion(fields, authorization)
        caller, once = authenticator.authenticate_assertion(text, fields.get("client_id"), source, certificate)
    except NotAuthenticated as refused:
        description = _ANSWERS.get(refused.code, "Unknown client, or wrong secret or signature.")
        raise OAuthError("invalid_client", description, 401, code=refused.code) from None
    # Used up before anything else of the request is looked at: who replays it learns nothing from it.
    if use is None or not await use(once):
        description = "The assertion cannot be used, or was used before."
        raise OAuthError("invalid_client", description, 401, code="assertieGebruikt")
    return caller


def read_client_assertion(fields: Mapping[str, str], authorization: str | None) -> str:
    """Return a client assertion that comes alone (RFC 7521, 4.2; RFC 6749, 2.3). Raises OAuthError."""
    if authorization is not None or "client_secret" in fields:
        raise OAuthError("invalid_request", "The client used more than one way to authenticate.")
    text = fields.get("client_assertion")
    if text is None or fields.get("client_assertion_type") != TYPE:
        raise OAuthError("invalid_request", "client_assertion needs client_assertion_type, of the kind jwt-bearer.")
    return text


def audiences_of(issuer: str) -> frozenset[str]:
    """Whom a client assertion may be meant for: the issuer, or its token endpoint (RFC 7523, 3)."""
    return frozenset({issuer, issuer.removesuffix(ROOT) + TOKEN_PATH})


def choose_grant(fields: Mapping[str, str], caller: Caller, snapshot: Snapshot, now: float) -> Aansluiting:
    """Return for which aansluiting a token is asked. Raises OAuthError."""
    grant = fields.get("grant_type")
    if grant is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if grant != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Only client_credentials is supported.")
    candidates = allowed_aansluitingen(caller, snapshot, datetime.fromtimestamp(now, UTC))
    return choose_scope(fields.get("scope"), candidates)


def read_form(received: Received) -> dict[str, str]:
    """Return the parameters of the request. An empty one counts as left out (RFC 6749, 3.2). Raises OAuthError."""
    media = received.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _FORM:
        raise OAuthError("invalid_request", f"The body must be {_FORM}.")
    if received.query:
        raise OAuthError("invalid_request", "Parameters belong in the body, not in the URL.")
    try:
        pairs = parse_qsl(
            received.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(received.body),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "The body is no well-formed form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A parameter may not be repeated.")
    return {name: value for name, value in fields.items() if value}


def read_client(fields: Mapping[str, str], authorization: str | None) -> tuple[str, str]:
    """Return client-ID and secret, from the header or the body, never from both (RFC 6749, 2.3). Raises OAuthError."""
    client_id, secret = fields.get("client_id"), fields.get("client_secret")
    if authorization is None:
        if client_id is None or secret is None:
            raise OAuthError("invalid_client", "The client did not authenticate.", 401)
        return client_id, secret
    if secret is not None:
        raise OAuthError("invalid_request", "The client used more than one way to authenticate.")
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Only Basic is supported in Authorization.", 401)
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode("ascii").partition(":")
        decoded = unquote_plus(name, errors="strict"), unquote_plus(password, errors="strict")
    except (binascii.Error, ValueError):
        raise OAuthError("invalid_client", "The Basic credentials are not well-formed.", 401) from None
    if not colon or not all(decoded):
        raise OAuthError("invalid_client", "The Basic credentials are not well-formed.", 401)
    if client_id is not None and client_id != decoded[0]:
        raise OAuthError("invalid_request", "client_id contradicts the Authorization header.")
    return decoded


def choose_scope(scope: str | None, candidates: tuple[Aansluiting, ...]) -> Aansluiting:
    """Return the one aansluiting that a scope names. Raises OAuthError when it names none, or two."""
    fitting = [] if scope is None else [aansluiting for aansluiting in candidates if scope_of(aansluiting) == scope]
    if len(fitting) != 1:
        raise OAuthError("invalid_scope", "The scope must be AfnemerID-OIN of exactly one allowed aansluiting.")
    return fitting[0]


def _note_refusal(record: TokenRecord, error: OAuthError, watch: Watch) -> None:
    """Who is not recognised, and who asks for an aansluiting that no machtiging gives it, stands in the security log."""
    source = record.received.source
    if record.caller is None:
        if error.status == 401:
            watch.unknown.note(_ACTION, target=_TARGET, code=error.code, source=source)
    elif error.error == "invalid_scope":
        note_security(_ACTION, target=_TARGET, result=error.code, actor=actor_of(record.caller), source=source)
        watch.metrics.security(error.code).inc()


def _metadata(url: str, *, signs: bool, binds: bool) -> dict[str, Any]:
    root = url.removesuffix(ROOT)
    signing = {"token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS)} if signs else {}
    return {
        "issuer": url,
        "token_endpoint": root + TOKEN_PATH,
        "jwks_uri": root + JWKS_PATH,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "client_secret_basic",
            *(["private_key_jwt"] if signs else []),
        ],
        "tls_client_certificate_bound_access_tokens": binds,
        **signing,
    }


def _document(value: dict[str, Any]) -> Route:
    body = orjson.dumps(value)

    async def document(received: Received) -> Outgoing:
        if received.method not in {"GET", "HEAD"}:
            return _not_allowed("GET, HEAD")
        return Outgoing(200, _headers(), body)

    return document


def _refusal(error: OAuthError) -> Outgoing:
    headers = _headers()
    if error.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="koppelpunt"'))
    return Outgoing(error.status, headers, orjson.dumps({"error": error.error, "error_description": error.description}))


def _not_allowed(methods: str) -> Outgoing:
    return Outgoing(405, [(b"allow", methods.encode("ascii"))], b"")


def _headers() -> list[tuple[bytes, bytes]]:
    # RFC 6749, 5.1: beside the no-store that every answer has.
    return [(b"content-type", b"application/json"), (b"pragma", b"no-cache")]
