"""The steps that ask RvIG something: a token, what the token says, and the probe. Over pools of their own.

The probe is a question that no rule of RvIG's lets through (a `type` that does not exist, or the ping of Berichten): it
concerns nobody, and shows that identity, token and path are right. The token lives inside these functions only.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from yarl import URL

from gateway.call import Answered, Unanswered
from gateway.catalogue import Api, Environment
from gateway.claims import check_claims, read_claims
from gateway.errors import IdentityUnavailable, TokenError
from gateway.token_request import Secrets, TokenAsk, make_ask, read_grant
from gateway.token_rules import is_blocked, matches
from gateway.upstream import USER_AGENT
from gateway.verbindingstest.steps import FRONTDESK, Step, Who, careful, good, skipped, word_of, wrong
from gateway.wire.pools import Post, Wires
from tenants.model import Aansluiting

PROBE = orjson.dumps({"type": "Verbindingstest"})

Heard = Callable[[Literal["token", "api"], Answered], None]
"""Told of each answer, so that a block of RvIG's, or its end, is noticed here too."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked with, for one API of the aansluiting's environment."""

    aansluiting: Aansluiting
    environment: Environment
    api: Api
    wires: Wires
    secrets: Secrets
    heard: Heard = field(repr=False)


async def ask_in_steps(asking: Asking) -> AsyncGenerator[Step, None]:
    """Token, claims and probe; those after a fault skipped."""
    name = asking.api.name
    try:
        ask = make_ask(asking.aansluiting, asking.environment, asking.api)
        secret = asking.secrets.open(asking.aansluiting.credential)
    except IdentityUnavailable as error:
        who: Who = "tenant" if error.code == "scopeOnbruikbaar" else "operator"
        yield wrong("token", who, error.detail, api=name, code=error.code)
        yield skipped("claims", api=name)
        yield skipped("probe", api=name)
        return
    value, step = await _get_token(asking, ask, secret)
    yield step
    if value is None:
        yield skipped("claims", api=name)
        yield skipped("probe", api=name)
        return
    step = _check_claims(asking, ask, value)
    yield step
    # A token that may be another's is not used, here no more than for calls.
    yield skipped("probe", api=name) if step.stops else await _probe(asking, value)


async def _get_token(asking: Asking, ask: TokenAsk, secret: str) -> tuple[str | None, Step]:
    seen: dict[str, Any] = {"api": asking.api.name, "scope": ask.scope, "resourceServer": ask.fields["resourceServer"]}
    try:
        result = await asking.wires.ask(asking.aansluiting.certificate, asking.environment.name, ask.make_post(secret))
    except IdentityUnavailable as error:
        return None, wrong("token", "operator", error.detail, **seen, code=error.code)
    if isinstance(result, Unanswered):
        return None, _unanswered("token", result, seen)
    asking.heard("token", result)
    seen["status"] = result.status
    if result.status != 200:
        return None, _no_token(asking, result, seen)
    try:
        value, seconds = read_grant(result)
    except TokenError:
        detail = "Het tokenendpoint antwoordde met 200, maar zonder bruikbaar token. " + FRONTDESK
        return None, wrong("token", "rvig", detail, **seen)
    return value, good("token", f"RvIG gaf een token, geldig voor {seconds:.0f} s.", **seen, seconden=int(seconds))


def _no_token(asking: Asking, result: Answered, seen: dict[str, Any]) -> Step:
    code = _code(result)
    if code is not None:
        seen["code"] = code
    if is_blocked(asking.environment, result):
        detail = f"RvIG heeft het account van deze aansluiting geblokkeerd ({code}). {FRONTDESK}"
        return wrong("token", "rvig", detail, **seen)
    if result.status >= 500:
        return wrong(
            "token", "rvig", f"Het tokenendpoint van RvIG is gestoord (status {result.status}). {FRONTDESK}", **seen
        )
    if result.status == 429:
        return wrong("token", "rvig", "RvIG vraagt het rustiger aan te doen (status 429).", **seen)
    words = {
        "invalid_client": "RvIG kent dit client-ID niet, of het secret of certificaat hoort er niet bij. Controleer client-ID en secret.",
        "invalid_scope": "RvIG kent de scope niet voor dit account. Controleer AfnemerID en OIN van de aansluiting.",
        "unauthorized_client": "Dit account mag geen token vragen. Controleer bij RvIG of de aansluiting openstaat.",
    }.get(code or "", "RvIG weigert een token. Controleer client-ID, secret, AfnemerID en OIN.")
    return wrong("token", "tenant", f"{words} (status {result.status}{f', {code}' if code else ''})", **seen)


def _check_claims(asking: Asking, ask: TokenAsk, value: str) -> Step:
    claims = read_claims(value)
    name = asking.api.name
    if claims is None:
        return Step(
            "claims", "overgeslagen", "niemand", "Het token is voor een ander niet te lezen; er is niets te vergelijken.", {"api": name}
        )  # fmt: skip
    found = {
        "oin": claims.oins, "afnemerId": claims.afnemer_ids, "gemeentecode": claims.gemeentecodes,
        "endpoint": claims.endpoints, "mailbox": claims.mailbox_ids, "scope": claims.scopes,
    }  # fmt: skip
    seen = {"api": name} | {
        claim: words
        for claim, values in found.items()
        if (words := [word for word in map(word_of, values[:5]) if word])
    }
    contradictions = check_claims(claims, asking.aansluiting, endpoint=asking.api.endpoint, scope=ask.scope)
    if contradictions:
        detail = f"Het token is in tegenspraak met de aansluiting: {', '.join(contradictions)}. Het wordt niet gebruikt. {FRONTDESK}"
        return wrong("claims", "rvig", detail, **seen, tegenspraak=list(contradictions))
    said = [claim for claim in ("oin", "afnemerId", "gemeentecode", "endpoint", "mailbox") if claim in seen]
    return good(
        "claims", f"Het token past bij de aansluiting ({', '.join(said) or 'zonder claims om te vergelijken'}).", **seen
    )


async def _probe(asking: Asking, token: str) -> Step:
    environment, api = asking.environment, asking.api
    is_post = api.kind != "berichten"
    url = environment.base_url + (api.upstream_path or api.path) + ("" if is_post else "/berichten/ping")
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
        **{name.lower(): value for name, value in api.headers.items()},
        "authorization": f"Bearer {token}",
    }
    if is_post:
        headers["content-type"] = "application/json"
    body = PROBE if is_post else None
    post = Post(
        "POST" if is_post else "GET", URL(url, encoded=True), headers, body, environment.connect_timeout,
        min(environment.answer_timeout, 30.0),
    )  # fmt: skip
    try:
        result = await asking.wires.ask(asking.aansluiting.certificate, environment.name, post)
    except IdentityUnavailable as error:
        return wrong("probe", "operator", error.detail, api=api.name, code=error.code)
    if isinstance(result, Unanswered):
        return _unanswered("probe", result, {"api": api.name})
    asking.heard("api", result)
    return _judge_probe(asking, result, expected=(400,) if is_post else (200, 204))


def _judge_probe(asking: Asking, result: Answered, *, expected: tuple[int, ...]) -> Step:  # noqa: PLR0911 - one per meaning
    environment, name = asking.environment, asking.api.name
    code = _code(result)
    seen: dict[str, Any] = {"api": name, "status": result.status} | ({} if code is None else {"code": code})
    if result.status in expected:
        return good(
            "probe", f"{name} antwoordde zoals verwacht (status {result.status}): de aansluiting werkt.", **seen
        )
    if is_blocked(environment, result):
        return wrong(
            "probe", "rvig", f"RvIG heeft het account van deze aansluiting geblokkeerd ({code}). {FRONTDESK}", **seen
        )
    if matches(environment.token_refused, result):
        return wrong("probe", "rvig", f"RvIG weigert het token dat zij zojuist gaf. {FRONTDESK}", **seen)
    if result.status in {401, 403}:
        detail = f"RvIG laat deze aansluiting niet toe tot {name} (status {result.status}). Staat zij daarvoor open? {FRONTDESK}"
        return wrong("probe", "rvig", detail, **seen)
    if result.status in {404, 405, 406, 415}:
        detail = f"Het pad van {name} klopt niet (status {result.status}). De operator controleert de catalogus."
        return wrong("probe", "operator", detail, **seen)
    if result.status >= 500:
        return wrong("probe", "rvig", f"{name} is bij RvIG gestoord (status {result.status}). {FRONTDESK}", **seen)
    detail = f"{name} gaf een ander antwoord dan verwacht (status {result.status} in plaats van {expected[0]})."
    return careful("probe", "operator", detail, **seen)


def _unanswered(name: Literal["token", "probe"], result: Unanswered, seen: dict[str, Any]) -> Step:
    who: Who = "rvig" if result.sent else "operator"
    words = "RvIG antwoordde niet" if result.sent else "Er kwam geen verbinding met RvIG tot stand"
    return wrong(name, who, f"{words} ({result.reason}).", **seen, reden=result.reason)


def _code(result: Answered) -> str | None:
    """RvIG's own code for what is wrong: of a problem document, or of a token endpoint (RFC 6749 section 5.2)."""
    try:
        document = orjson.loads(result.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    kind = document.get("type")
    last = kind.rpartition("/")[2] if isinstance(kind, str) and "F0" in kind else None
    return word_of(document.get("code")) or word_of(document.get("error")) or word_of(last)
