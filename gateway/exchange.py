"""The life of a call.

    edge → caller → choose → token → open → send → close → edge

The order is the promise: the opening row is durable before the first byte leaves, and the closing row is durable
before the first byte goes back. Between the steps stands what a crash at that line means. Nothing here cancels a call
whose opening is written; a caller that hangs up changes nothing.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from gateway.brp.berichten import Operation
from gateway.call import Answered, Bevraging, Caller, Choice, Outgoing, Result, Unanswered
from gateway.choose import choose
from gateway.entries import Contents, Spent, attempt_of, closing_of, opening_of, read_contents
from gateway.errors import (
    AsRvig,
    Blocked,
    IdentityUnavailable,
    KoppelpuntError,
    NotPermitted,
    OperatorError,
    RegisterUnavailable,
    UpstreamUnavailable,
)
from gateway.filtering import Withheld, asked_of_rvig, pass_on
from gateway.identifiers import uuid7
from gateway.judging import judge_authorisation, judge_question
from gateway.limiting import RateLimits, is_reached
from gateway.metrics import Metrics
from gateway.outcome import answer_of, is_security_event, outcome_of, unusable
from gateway.postbus import Postbus
from gateway.problems import status_of
from gateway.profiles import apply_profile
from gateway.quota import Quotas
from gateway.rations import Attempts, Rations, Ticket
from gateway.records import RecordSealer
from gateway.register import Permission, Receipt, RegisterWriter, Stale
from gateway.snapshot import Snapshot
from gateway.stands import Stands, shut_out
from gateway.telemetry import CallRecord, actor_of, note_security
from gateway.token_request import Token
from gateway.token_rules import is_refusal, may_be_refusal
from gateway.tokens import Tokens
from gateway.upstream import UNREACHED, Upstream

MOST_TRIES = 4


@dataclass(frozen=True, slots=True)
class Register:
    """The register of one kind of environment: who writes it, and who seals for it."""

    writer: RegisterWriter
    sealer: RecordSealer


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that a call meets on its way; made once, by hand, in `gateway.app`.

    `registers` go by the kind of environment, and `kinds` says of each environment of which kind it is.
    """

    authenticate: Callable[[Bevraging], Awaitable[Caller]]
    check_shape: Callable[[Bevraging], None]
    snapshot: Snapshot
    refresh: Callable[[Iterable[int]], Awaitable[None]]
    tokens: Tokens
    upstream: Upstream
    registers: Mapping[str, Register]
    kinds: Mapping[str, str]
    rations: Rations
    attempts: Attempts
    metrics: Metrics
    quotas: Quotas
    limits: RateLimits
    stands: Stands
    postbus: Postbus
    permission_seconds: float = 2.0
    # Apart from the others, and few: a caller in a loop must not crowd out what was refused for another reason.
    attempts_over_limit: Attempts = field(default_factory=lambda: Attempts(rate=1 / 60, burst=5))


async def exchange(bevraging: Bevraging, gate: Gate) -> Outgoing:
    """Carry one call through its life. Raises KoppelpuntError for every refusal; the edge makes it a document."""
    record = CallRecord(bevraging, time.monotonic())
    limited: list[tuple[bytes, bytes]] = []
    try:
        record.caller = caller = await gate.authenticate(bevraging)
        limited = await gate.limits.take(caller.taaksysteem)
        gate.check_shape(bevraging)
        judge_question(bevraging, gate.metrics)
        record.caller = caller = apply_profile(caller, bevraging.headers, gate.snapshot.profiles)
        with gate.rations.take(caller.taaksysteem.tenant_id) as ticket:
            outgoing = await _carry(bevraging, caller, gate, record, ticket)
        record.end("beantwoord", "", outgoing.status, len(outgoing.body))
    except KoppelpuntError as error:
        record.end(outcome_of(error), error.code, status_of(error))
        error.headers = error.headers or limited
        if record.caller is not None and is_reached(error):
            await _record_attempt(bevraging, record.caller, error, gate, gate.attempts_over_limit)
        elif record.caller is not None and is_security_event(error):
            _note_refusal(bevraging, record.caller, error, gate)
            if _is_attempt(error, record):
                await _record_attempt(bevraging, record.caller, error, gate, gate.attempts)
        raise
    finally:
        record.write(gate.metrics)
    outgoing.headers.extend(limited)
    return outgoing


def _is_attempt(error: KoppelpuntError, record: CallRecord) -> bool:
    """Whether a refusal is an attempt to record: something wanted and not allowed, and not recorded by the opening."""
    if isinstance(error, AsRvig):
        return error.shape.status == 403
    return isinstance(error, NotPermitted | Blocked) and record.choice is None


async def _carry(bevraging: Bevraging, caller: Caller, gate: Gate, record: CallRecord, ticket: Ticket) -> Outgoing:
    row_id, repeated, counted = bevraging.id, False, 0
    for _ in range(MOST_TRIES):
        now = datetime.now(UTC)
        choice = record.choice = choose(caller, bevraging, gate.snapshot, now)
        judge_authorisation(bevraging, choice, gate.snapshot, gate.metrics)
        if choice.machtiging.conditions is not None and counted != choice.machtiging.machtiging_id:
            # Once for a call, however often its token is refused or the registry moves on under the same machtiging.
            await gate.quotas.take(choice.machtiging)
            counted = choice.machtiging.machtiging_id
        asking = asked_of_rvig(bevraging, choice, gate.snapshot, now)
        # Whom RvIG has shut out asks nothing, but for a careful call now and then that finds out whether it still is.
        careful = await gate.stands.admit(choice.aansluiting)
        if careful:
            gate.tokens.forgive(choice.aansluiting, choice.environment, choice.api)
        register = gate.registers[choice.environment.kind]
        record.enter("queue")
        async with gate.upstream.reserve(choice.aansluiting, choice.environment):
            asked = record.enter("token")
            token = await gate.tokens.get(choice.aansluiting, choice.environment, choice.api)
            had = record.enter("open")
            opening = opening_of(row_id, bevraging, caller, choice, register.sealer, asking.question)
            permission = await register.writer.open(opening)
            if isinstance(permission, Stale):
                # Nothing was recorded and nothing left: the registry has moved on. Read it again, choose again.
                record.leave()
                record.choice = None
                await gate.refresh((choice.aansluiting.tenant_id, caller.taaksysteem.tenant_id))
                # Its credentials too: one of them may be what was withdrawn, and the taaksysteem is a new version.
                caller = apply_profile(await gate.authenticate(bevraging), bevraging.headers, gate.snapshot.profiles)
                record.caller = caller
                continue
            opened = record.enter("send")
            # A crash from here on leaves an opening without a closing: uitkomst onbekend, and visible as such.
            result = await _send(asking, caller, choice, token, permission, gate)
            # A crash here: RvIG may have answered and recorded; nobody got the answer. Still uitkomst onbekend.
            answered = record.enter("close")
            contents = read_contents(asking, result)
            refused = isinstance(result, Answered) and is_refusal(choice.environment, result)
            fault = unusable(result, contents, token_refused=refused)
            if isinstance(result, Answered):
                ticket.hold(len(result.body))
                fault = _judge(result, choice, token, gate, careful=careful, refused=refused) or fault
                refused = refused or may_be_refusal(choice.environment, result, bevraging.method)
            # What is not passed on is taken out before the closing, so that the closing can say what the caller gets.
            passed, withheld, fault = pass_on(result, fault, bevraging, asking, choice.machtiging)
            spent = Spent(token=had - asked, upstream=answered - opened, total=answered - record.begun)
            receipt = await _close(row_id, bevraging, choice, passed, contents, withheld, fault, spent, gate)
            gate.postbus.hear(choice.aansluiting, bevraging, result)
            # Only from here on may a byte of the answer go back.
        record.leave()
        if refused:
            gate.tokens.invalidate(token)
            if not repeated:
                # RvIG refused our token, so it did not take the question. Once, with a new token: and open again.
                repeated, row_id = True, uuid7()
                # What the first opening recorded says nothing about a refusal that comes now.
                record.choice = None
                continue
        if fault is not None or not isinstance(passed, Answered):
            raise fault or UpstreamUnavailable("geenAntwoord", "RvIG gaf geen antwoord.", sent=True)
        return answer_of(passed, row_id, receipt)
    raise IdentityUnavailable("registratieInBeweging", "De registratie veranderde tijdens de aanroep steeds opnieuw.")


def _count(result: Result, choice: Choice, metrics: Metrics) -> None:
    """Count what RvIG said, or that it said nothing; what did not leave for a reason of ours says nothing of RvIG."""
    if isinstance(result, Answered):
        metrics.note_answer(choice.environment.kind, choice.api.name, result.status)
    elif result.reason in UNREACHED:
        metrics.note_answer(choice.environment.kind, choice.api.name, None)


def _judge(
    answered: Answered, choice: Choice, token: Token, gate: Gate, *, careful: bool, refused: bool
) -> KoppelpuntError | None:
    """What the answer says of the aansluiting as a whole, and of the token; the fault when RvIG has shut it out."""
    if not refused and answered.status != 401:
        gate.tokens.accept(token)
    kind = gate.stands.hear(choice.aansluiting, choice.environment, "api", answered, careful=careful)
    if kind is None:
        return None
    if kind == "toegangGeweigerd":
        # It may be the token all the same: whoever tries again does so with a new one.
        gate.tokens.invalidate(token)
    return shut_out(kind, sent=True)


async def _send(
    bevraging: Bevraging, caller: Caller, choice: Choice, token: Token, permission: Permission, gate: Gate
) -> Result:
    # What its profile reads is between the taaksysteem and this gateway, whatever else an operator lets pass.
    headers = {name: value for name, value in bevraging.headers.items() if name not in caller.profile_headers}
    if bevraging.traceparent is not None:
        headers["traceparent"] = bevraging.traceparent
    if bevraging.operation != Operation.CONVERSIE:
        # Only a conversion is asked for by media type; everywhere else RvIG takes one value, and it is ours.
        headers.pop("accept", None)
    result = await gate.upstream.send(
        choice.aansluiting,
        choice.environment,
        choice.api,
        bevraging.method,
        bevraging.subpath,
        bevraging.query,
        headers,
        bevraging.body,
        token.value,
        deadline=permission.asked_at + gate.permission_seconds,
    )
    _count(result, choice, gate.metrics)
    return result


async def _close(
    row_id: UUID,
    bevraging: Bevraging,
    choice: Choice,
    result: Result,
    contents: Contents,
    withheld: Withheld | None,
    fault: KoppelpuntError | None,
    spent: Spent,
    gate: Gate,
) -> Receipt:
    register = gate.registers[choice.environment.kind]
    tenant = gate.snapshot.tenant(choice.machtiging.tenant_id)
    try:
        closing = closing_of(
            row_id,
            bevraging,
            choice,
            result,
            contents,
            register.sealer,
            # A tenant gone from the snapshot keeps everything: more can be taken away later, less cannot be mended.
            whole=tenant is None or tenant.record_content == "whole",
            code=None if fault is None else fault.code,
            spent=spent,
            withheld=withheld,
        )
        return await register.writer.close(closing)
    except OperatorError as error:
        # The register is away, or the tenant's key went while the call was under way.
        if isinstance(result, Unanswered) and not result.sent:
            raise
        # No answer without its record: what RvIG said is dropped here, and the caller is told that it may have happened.
        raise RegisterUnavailable(
            "uitkomstOnbekend",
            "Het antwoord kon niet worden vastgelegd en is daarom niet doorgegeven; RvIG kan de bevraging hebben verwerkt.",
            sent=True,
        ) from error


def _note_refusal(bevraging: Bevraging, caller: Caller, error: KoppelpuntError, gate: Gate) -> None:
    """One line of the security log, and its count."""
    actor, source = actor_of(caller), bevraging.source
    note_security("bevraging", target=bevraging.api.name, result=error.code, actor=actor, source=source)
    gate.metrics.security(error.code).inc()


async def _record_attempt(
    bevraging: Bevraging, caller: Caller, error: KoppelpuntError, gate: Gate, ration: Attempts
) -> None:
    """Record a refused attempt in the register of the taaksysteem's own tenant, rationed; the refusal stands anyway.

    A Blocked that the register itself gave is recorded already, by the statement that gave it.
    """
    if not ration.allow(caller.taaksysteem.tenant_id, time.monotonic()):
        gate.metrics.security("pogingNietOpgeslagen").inc()
        return
    # Where its taaksysteem is registered, whichever environment the call named: no other register knows it.
    register = gate.registers[gate.kinds.get(caller.taaksysteem.environment, bevraging.environment.kind)]
    note = all(one.protocol_note for one in gate.snapshot.machtigingen_of(caller.taaksysteem))
    try:
        await register.writer.refuse(attempt_of(uuid7(), bevraging, caller, error.code, register.sealer, note=note))
    except KoppelpuntError:
        gate.metrics.security("pogingNietVastgelegd").inc()
