"""The simulator itself: takes a call that has been read, records it, and says what RvIG would answer.

Owns the composition of tokens, persons, mailboxes, faults and the record of what was seen. Knows no transport: what
breaks a connection is told to whoever carries the call (`Exchange.faults`).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.simulator.afnemers import Afnemers
from gateway.simulator.autorisatie import Autorisatie
from gateway.simulator.calls import JSON, PLAIN_JSON, Call, Connection, Reply
from gateway.simulator.faults import FaultKind, FaultRule, Faults, Subject, bend_of, with_headers
from gateway.simulator.persons import Persons, read_source
from gateway.simulator.postbus import Postbus, blocked_account, unknown_account
from gateway.simulator.problems import (
    AUTHENTICATION,
    INTERNAL,
    NOT_FOUND,
    NOT_JSON,
    SOURCE,
    Problem,
    invalid_parameters,
    problem_reply,
    refuse_request,
    shape_reply,
    token_not_valid,
)
from gateway.simulator.questions import PERSONEN, REISDOCUMENTEN, Asked, Invalid, Question
from gateway.simulator.routes import Route, Routes
from gateway.simulator.seen import SECRET_HEADERS, Seen, SeenLog, digest
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.stays import BEWONINGEN, VERBLIJFPLAATSHISTORIE
from gateway.simulator.tokens import IssuedToken, TokenAsk, Tokens, parse_ask, refusal

_QUESTIONS: Final[dict[str, dict[str, Question]]] = {
    "personen": PERSONEN,
    "bewoningen": BEWONINGEN,
    "verblijfplaatshistorie": VERBLIJFPLAATSHISTORIE,
    "reisdocumenten": REISDOCUMENTEN,
}
_GEZAG_HEADER: Final = "accept-gezag-version"
_NEW_GEZAG: Final = "2"
_INTERNAL_HEADERS: Final = frozenset({"x-geleverde-pls"})
_NO_FAULTS: Final[tuple[FaultRule, ...]] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call with what is known of it before it is answered. The token may be unfit; `Simulator.reply` judges."""

    call: Call
    route: Route
    seen: Seen
    token: IssuedToken | None
    ask: TokenAsk | None
    faults: tuple[FaultRule, ...]


class Simulator:
    """A stand-in for RvIG. Everything public may be changed while it runs; all of it on one event loop."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.afnemers = Afnemers()
        self.afnemers.put(*settings.afnemers)
        self.autorisatie = Autorisatie(settings.autorisatietabel, settings.adressen)
        self.tokens = Tokens(settings, self.afnemers)
        self.persons = Persons(
            read_source(settings.personen_file, settings.bewoning_file, settings.reisdocumenten_file)
        )
        self.postbus = Postbus(settings, self.afnemers)
        self.faults = Faults()
        self.seen = SeenLog(settings.seen_limit)
        self.connections: dict[int, Connection] = {}
        self.connection_count = 0
        self.connections_by_fingerprint: dict[str, int] = {}
        self._routes = Routes(settings)

    def opened(self, certificate_oin: str | None, fingerprint: str, tls_version: str) -> Connection:
        """Note a TLS connection whose handshake has succeeded."""
        self.connection_count += 1
        made = self.connections_by_fingerprint.get(fingerprint, 0)
        self.connections_by_fingerprint[fingerprint] = made + 1
        connection = Connection(self.connection_count, certificate_oin, fingerprint, tls_version, self.settings.clock())
        self.connections[connection.number] = connection
        return connection

    def closed(self, connection: Connection) -> None:
        self.connections.pop(connection.number, None)
        connection.gone.set()

    def begin(self, call: Call) -> Exchange:
        """Record the call and spend the faults that will act on it. Nothing has been answered yet."""
        call.connection.requests += 1
        route = self._routes.find(call.path)
        token = ask = None
        if route.kind == "token":
            ask = parse_ask(call)
        else:
            token = self.tokens.find(call.headers.get("authorization"))
        seen = self._record(call, route, token, ask)
        faults = _NO_FAULTS
        if self.faults.any:
            faults = self.faults.take(self._subject(call, route, seen))
            seen.faults = tuple(rule.kind.value for rule in faults)
        return Exchange(call, route, seen, token, ask, faults)

    def reply(self, exchange: Exchange) -> Reply:
        """Say what RvIG would answer, bent by the faults that concern the content. Never raises on bad input."""
        bent = self._bent(exchange) if exchange.faults else None
        reply = bent or (self._token_reply(exchange) if exchange.ask is not None else self._api_reply(exchange))
        if exchange.faults:
            reply = with_headers(reply, exchange.faults)
        exchange.seen.status = reply.status
        return reply

    def _record(self, call: Call, route: Route, token: IssuedToken | None, ask: TokenAsk | None) -> Seen:
        connection = call.connection
        seen = Seen(
            self.seen.next_seq(),
            self.settings.clock(),
            route.kind,
            call.method,
            call.path,
            connection.number,
            connection.certificate_oin,
            connection.fingerprint,
            {name: value for name, value in call.headers.items() if name not in SECRET_HEADERS},
            digest(call.body),
            # A token request holds a client-secret and is never kept.
            call.body if self.settings.keep_bodies and ask is None else None,
            route.api,
        )
        if ask is not None:
            seen.client_id, seen.scope, seen.resource_server = ask.client_id, ask.scope, ask.resource_server
        if token is not None:
            account = token.account
            seen.client_id, seen.scope, seen.resource_server = account.client_id, token.scope, token.resource_server
            seen.token_afnemer_id, seen.token_oin, seen.mailbox = account.afnemer_id, account.oin, account.mailbox_id
            if route.api == "personen":
                seen.source_headers = self._source_headers(call, account.oin)
        self.seen.append(seen)
        return seen

    def _source_headers(self, call: Call, oin: str) -> dict[str, str]:
        """What RvIG's proxy sends to its source: new consumers get the new gezag answer unless they ask for another."""
        asked = call.headers.get(_GEZAG_HEADER)
        if asked is None and oin not in self.settings.existing_gezag_oins:
            asked = _NEW_GEZAG
        return {} if asked is None else {_GEZAG_HEADER: asked}

    def _subject(self, call: Call, route: Route, seen: Seen) -> Subject:
        afnemer_id = seen.token_afnemer_id
        if afnemer_id is None and seen.scope is not None:
            afnemer_id = seen.scope.partition("-")[0]
        return Subject(
            route.api, call.path, call.method, afnemer_id, seen.client_id, seen.certificate_oin,
            call.connection.requests > 1,
        )  # fmt: skip

    def _token_reply(self, exchange: Exchange) -> Reply:
        if exchange.ask is None:
            raise ValueError("not a token request")
        return self.tokens.answer(exchange.ask, exchange.call, bend_of(exchange.faults))

    def _refused_identity(self, exchange: Exchange) -> Reply | None:
        """401 in its three forms: the gateway does not know the token, the account is blocked, the identity is wrong."""
        token, call, route = exchange.token, exchange.call, exchange.route
        berichten = route.api == "berichten"
        if token is None:
            given = call.headers.get("authorization") is not None
            if given:
                return token_not_valid(self.settings.expired_status)
            return unknown_account() if berichten else problem_reply(AUTHENTICATION, call.path)
        if token.expires <= self.settings.clock():
            return token_not_valid(self.settings.expired_status)
        account = self.afnemers.get(token.account.client_id, token.account.afnemer_id)
        if account is not None and account.blocked:
            return self._blocked(exchange)
        certificate_oin = call.connection.certificate_oin
        right = (
            account is not None
            and certificate_oin == token.certificate_oin
            and certificate_oin not in self.afnemers.revoked_oins
            and (route.api is None or token.fits(route.api, route.environment))
        )
        if right:
            return None
        return unknown_account() if berichten else problem_reply(AUTHENTICATION, call.path)

    def _blocked(self, exchange: Exchange) -> Reply:
        if exchange.route.api == "berichten":
            return blocked_account()
        return problem_reply(AUTHENTICATION, exchange.call.path, detail="Het account is geblokkeerd.")

    def _api_reply(self, exchange: Exchange) -> Reply:
        if (refused := self._refused_identity(exchange)) is not None:
            return refused
        call, route, token = exchange.call, exchange.route, exchange.token
        if route.api == "berichten" and token is not None:
            return self.postbus.answer(call, route.rest, token.account.mailbox_id)
        problem = refuse_request(call.method, call.headers, known=route.api is not None)
        if problem is not None or route.api is None or token is None:
            return problem_reply(problem or NOT_FOUND, call.path)
        return self._answer_question(route.api, call, token, exchange.faults)

    def _answer_question(self, api: str, call: Call, token: IssuedToken, faults: tuple[FaultRule, ...]) -> Reply:
        try:
            body = orjson.loads(call.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return problem_reply(NOT_JSON, call.path)
        now = dt.datetime.fromtimestamp(self.settings.clock(), dt.UTC)
        if (shape := self.autorisatie.refuse(api, body, token.account, now)) is not None:
            return shape_reply(shape, call.path)
        for rule in faults:
            if rule.kind == FaultKind.SOURCE_ANSWER:
                return _from_source(rule, call.path)
        try:
            answer = _QUESTIONS[api][body["type"]](Asked(body, self.persons, now.date()))
        except Invalid as invalid:
            return invalid_parameters([invalid.param], call.path)
        if isinstance(answer, Problem):
            return problem_reply(answer, call.path)
        return Reply(200, orjson.dumps(answer), JSON)

    def _bent(self, exchange: Exchange) -> Reply | None:  # noqa: PLR0911 - one return per kind of fault
        """What the faults put in place of an answer; None where the answer is made in the usual way."""
        is_token = exchange.ask is not None
        for rule in exchange.faults:
            if rule.kind == FaultKind.TOKEN_REFUSED:
                return refusal(rule.error)
            if rule.kind == FaultKind.TOKEN_INVALID:
                return self._forget_token(exchange)
            if rule.kind == FaultKind.BLOCKED_ACCOUNT:
                return refusal("invalid_client", "Het account is geblokkeerd.") if is_token else self._blocked(exchange)
            if rule.kind == FaultKind.REVOKED_OIN:
                return refusal("invalid_client") if is_token else self._shut_out(exchange)
            if rule.kind == FaultKind.STATUS:
                return _failure(rule.status, exchange.call.path)
            if rule.kind == FaultKind.HUGE:
                return Reply(200, _filled(rule.size), PLAIN_JSON if is_token else JSON)
            if rule.kind == FaultKind.ANSWER and (is_token or self._refused_identity(exchange) is None):
                return _canned(rule)
        return None

    def _forget_token(self, exchange: Exchange) -> Reply:
        self.tokens.forget(exchange.call.headers.get("authorization"))
        return token_not_valid(self.settings.expired_status)

    def _shut_out(self, exchange: Exchange) -> Reply:
        if exchange.route.api == "berichten":
            return unknown_account()
        return problem_reply(AUTHENTICATION, exchange.call.path)


def _canned(rule: FaultRule) -> Reply:
    headers = {name: value for name, value in rule.headers.items() if name.lower() not in _INTERNAL_HEADERS}
    content_type = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), JSON)
    return Reply(rule.status, rule.body, content_type, headers)


def _from_source(rule: FaultRule, path: str) -> Reply:
    """What RvIG's proxy makes of its source's answer: 404, 500 and 502 become documents of its own."""
    replaced = {404: NOT_FOUND, 500: INTERNAL, 502: SOURCE}.get(rule.status)
    return problem_reply(replaced, path) if replaced else _canned(rule)


def _failure(status: int, path: str) -> Reply:
    """A failure inside RvIG, with its own document where one is known."""
    known = {500: INTERNAL, 502: SOURCE}.get(status)
    if known is not None:
        return problem_reply(known, path)
    return problem_reply(Problem(status, "Fout in de voorziening.", "about:blank"), path)


def _filled(size: int) -> bytes:
    """Valid JSON of exactly `size` bytes, at least the empty object's size."""
    shell = len(b'{"vulling":""}')
    return b'{"vulling":"' + b"x" * max(0, size - shell) + b'"}'


def build_simulator(settings: SimulatorSettings) -> Simulator:
    """Make a simulator. Raises OSError or ValueError for files that cannot be read."""
    return Simulator(settings)
