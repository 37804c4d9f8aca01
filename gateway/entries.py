"""The two rows of a call: its opening, its closing; and the row of an attempt that was refused.

No I/O. Says what is recorded, sealed and indexed; the register says whether it may be. Sources: Wet BRP 3.11 (a note of
each disclosure), LO BRP (refused attempts of known callers are recorded too), RvIG's rubrieken as `gateway.brp` makes them.
"""

from dataclasses import dataclass, replace
from uuid import UUID

import orjson

from gateway.brp.apis import TYPES
from gateway.brp.berichten import Operation
from gateway.brp.disclosed import NOBODY, Disclosed, disclosed_by
from gateway.brp.messages import Message, fetched_messages
from gateway.brp.question import Question
from gateway.brp.rubrieken import record_of
from gateway.call import Answered, Bevraging, Caller, Choice, Result, Unanswered
from gateway.filtering import Withheld
from gateway.records import RecordSealer, SealedRecord, year_of
from gateway.register.rows import Closing, Opening

RECORDED_HEADERS = frozenset(
    {
        "accept-gezag-version",
        # What taaksystemen in the field say of user, purpose and organisation. None of it is evidence; all of it is kept.
        *(
            "x-origin-oin",
            "x-afnemer-oin",
            "x-doelbinding",
            "x-verwerking",
            "x-gebruiker",
            "x-toepassing",
            "x-applicatie",
        ),
        *("x-request-organization", "x-request-afnemerscode", "x-request-user", "x-request-application"),
        *("x-task-description", "x-user", "x-correlation-id"),
        *(
            "x-nlx-request-delegator",
            "x-nlx-request-process-id",
            "x-nlx-requester-user",
            "x-nlx-request-application-id",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds spent on the token, at RvIG, and on the whole call until now."""

    token: float
    upstream: float
    total: float


@dataclass(frozen=True, slots=True)
class Contents:
    """What an answer holds for the register. `readable` is False when it should be JSON and is not.

    `messages` are those that were fetched, each a disclosure of its own.
    """

    disclosed: Disclosed
    messages: tuple[Message, ...] = ()
    readable: bool = True


def opening_of(
    row_id: UUID,
    bevraging: Bevraging,
    caller: Caller,
    choice: Choice,
    sealer: RecordSealer,
    asked: Question | None = None,
) -> Opening:
    """The row that asks for permission. Raises IdentityUnavailable when the tenant has no key of this year.

    `asked` is what RvIG is asked, where that is more than what the caller asked: its rubrieken are recorded, as RvIG
    records them, and the caller's own question is sealed.
    """
    aansluiting, machtiging = choice.aansluiting, choice.machtiging
    rubrieken = record_of(asked or bevraging.question)
    deletes = bevraging.operation == Operation.DELETE
    return Opening(
        id=row_id,
        tenant_id=machtiging.tenant_id,
        taaksysteem_tenant_id=caller.taaksysteem.tenant_id,
        taaksysteem_id=caller.taaksysteem.taaksysteem_id,
        taaksysteem_version=caller.taaksysteem.version,
        key_id=caller.key.key_id,
        api=bevraging.api.right,
        operation=bevraging.operation,
        record=_seal_question(row_id, machtiging.tenant_id, bevraging, caller, sealer, note=machtiging.protocol_note),
        machtiging_id=machtiging.machtiging_id,
        machtiging_version=machtiging.version,
        aansluiting_id=aansluiting.aansluiting_id,
        aansluiting_version=aansluiting.version,
        credential_id=aansluiting.credential.credential_id,
        fingerprint=aansluiting.certificate.fingerprint,
        question_type=_known_type(bevraging),
        zoekrubrieken=rubrieken.zoek,
        rubrieken=rubrieken.gevraagd,
        messages=bevraging.message_ids if deletes else None,
        trace_id=bevraging.trace_id,
        caller_span=bevraging.caller_span,
        user_index=_user_index(row_id, machtiging.tenant_id, caller, sealer),
    )


def attempt_of(
    row_id: UUID, bevraging: Bevraging, caller: Caller, code: str, sealer: RecordSealer, *, note: bool = True
) -> Opening:
    """The row of a refused attempt, in the register of the taaksysteem's own tenant: what was wanted, and why not.

    `note` False keeps no question: whose machtiging has no note of disclosures has none of attempts either.
    """
    tenant_id = caller.taaksysteem.tenant_id
    rubrieken = record_of(bevraging.question)
    return Opening(
        id=row_id,
        tenant_id=tenant_id,
        taaksysteem_tenant_id=tenant_id,
        taaksysteem_id=caller.taaksysteem.taaksysteem_id,
        taaksysteem_version=caller.taaksysteem.version,
        key_id=caller.key.key_id,
        api=bevraging.api.right,
        operation=bevraging.operation,
        record=_seal_question(row_id, tenant_id, bevraging, caller, sealer, note=note),
        refusal=code,
        question_type=_known_type(bevraging),
        zoekrubrieken=rubrieken.zoek,
        rubrieken=rubrieken.gevraagd,
        trace_id=bevraging.trace_id,
        caller_span=bevraging.caller_span,
        user_index=_user_index(row_id, tenant_id, caller, sealer),
    )


def read_contents(bevraging: Bevraging, result: Result) -> Contents:
    """Whose data an answer holds. Only an answer of RvIG with a 2xx status discloses anything."""
    if not isinstance(result, Answered) or not 200 <= result.status < 300 or bevraging.api.kind == "other":
        return Contents(NOBODY)
    if not result.body or bevraging.operation in {Operation.PING, Operation.CONVERSIE}:
        return Contents(NOBODY)
    try:
        answer = orjson.loads(result.body)
    except orjson.JSONDecodeError:
        return Contents(NOBODY, readable=False)
    disclosed = disclosed_by(bevraging.question, answer)
    if bevraging.operation != Operation.FETCH:
        return Contents(disclosed)
    return Contents(disclosed, fetched_messages(answer))


def closing_of(
    row_id: UUID,
    bevraging: Bevraging,
    choice: Choice,
    result: Result,
    contents: Contents,
    sealer: RecordSealer,
    *,
    whole: bool,
    code: str | None,
    spent: Spent,
    withheld: Withheld | None = None,
) -> Closing:
    """The row that ends a call. `whole` False keeps rubrieken and persons only, by the tenant's choice.

    `result` is what goes back and `contents` what came in; between them stands `withheld`. A machtiging without note of
    disclosures (Besluit BRP 42) keeps of persons only how many there were.
    """
    tenant_id, year = choice.machtiging.tenant_id, year_of(row_id)
    answered = result if isinstance(result, Answered) else None
    if not choice.machtiging.protocol_note:
        contents, withheld, whole = _without_persons(contents), None, False
    bsns = contents.disclosed.bsns
    return Closing(
        id=row_id,
        tenant_id=tenant_id,
        outcome=_outcome(result, code),
        record=sealer.seal_closing(
            tenant_id,
            row_id,
            persons=bsns if withheld is None else tuple(one for one in bsns if one not in withheld.bsns),
            withheld=None if withheld is None else _withheld_told(withheld),
            answer=answered.body if answered is not None and whole else None,
            headers={},
            messages=tuple(map(_message_told, contents.messages)),
        ),
        status=None if answered is None else answered.status,
        code=code,
        # Who is known by A-nummer alone is found by it.
        unidentified=contents.disclosed.unidentified - sum(len(one.a_nummers) for one in contents.messages),
        question_bytes=len(bevraging.body),
        answer_bytes=0 if answered is None else len(answered.body),
        token_us=_microseconds(spent.token),
        upstream_us=_microseconds(spent.upstream),
        total_us=_microseconds(spent.total),
        persons=_indexes(tenant_id, year, contents, sealer),
        messages=tuple(one.id.lower() for one in contents.messages),
    )


def _indexes(tenant_id: int, year: int, contents: Contents, sealer: RecordSealer) -> tuple[tuple[UUID, str], ...]:
    """By what each person is found: per message, or for the whole answer."""
    if not contents.messages:
        return tuple((sealer.person_index(tenant_id, year, bsn), "") for bsn in contents.disclosed.bsns)
    return tuple(
        (index, one.id.lower())
        for one in contents.messages
        for index in (
            *(sealer.person_index(tenant_id, year, bsn) for bsn in one.bsns),
            *(sealer.a_nummer_index(tenant_id, year, number) for number in one.a_nummers),
        )
    )


def _message_told(one: Message) -> dict[str, object]:
    """What a message told, whatever the tenant keeps of answers: without this nobody could say what was disclosed."""
    return {
        "id": one.id.lower(),
        "type": one.bericht_type,
        "bsns": one.bsns,
        "aNummers": one.a_nummers,
        "rubrieken": one.rubrieken,
    }


def _withheld_told(withheld: Withheld) -> dict[str, object]:
    return {"persons": withheld.bsns, "unidentified": withheld.unidentified, "fields": withheld.fields}


def _without_persons(contents: Contents) -> Contents:
    """The same, telling of how many persons and of none of them who it is."""
    disclosed = contents.disclosed
    return Contents(
        Disclosed((), len(disclosed.bsns) + disclosed.unidentified),
        tuple(replace(one, bsns=(), a_nummers=()) for one in contents.messages),
        contents.readable,
    )


def _outcome(result: Result, code: str | None) -> str:
    if isinstance(result, Unanswered):
        return "niet_beantwoord" if result.sent else "niet_verzonden"
    return "beantwoord" if code is None else "niet_beantwoord"


def _seal_question(
    row_id: UUID, tenant_id: int, bevraging: Bevraging, caller: Caller, sealer: RecordSealer, *, note: bool
) -> SealedRecord:
    headers = {
        name: value
        for name, value in bevraging.headers.items()
        if name in RECORDED_HEADERS or name in caller.profile_headers
    }
    return sealer.seal_opening(
        tenant_id,
        row_id,
        user=caller.user,
        source=bevraging.source,
        headers=headers,
        question=(bevraging.body or None) if note else None,
        query=_asked_in_path(bevraging) if note else "",
    )


def _asked_in_path(bevraging: Bevraging) -> str:
    return bevraging.query if not bevraging.subpath else f"{bevraging.subpath}?{bevraging.query}"


def _user_index(row_id: UUID, tenant_id: int, caller: Caller, sealer: RecordSealer) -> UUID | None:
    return None if caller.user is None else sealer.user_index(tenant_id, year_of(row_id), caller.user)


def _known_type(bevraging: Bevraging) -> str | None:
    """A type that the API knows; anything else is the caller's own text, and stands sealed in the question."""
    asked = bevraging.question.type
    return asked if asked in TYPES.get(bevraging.api.kind, ()) else None


def _microseconds(seconds: float) -> int:
    return min(int(seconds * 1_000_000), 2_147_483_647)
