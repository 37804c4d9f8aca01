"""An aansluiting on its way: which states follow which, what is still missing, and the steps that the tenant dates itself.

    concept → proef → productie ⇄ geblokkeerd;  every state → beeindigd, which is for ever

Scope, role and errors as in `tenants.registry`. An aansluiting lets calls through only in the state of its environment's kind.
To put it to use it must be as its aansluitpatroon wants it; everything that is not is told at once, in Dutch words.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import asyncpg

from tenants.delivery.places import MISSING, has_place
from tenants.faults import InputRefused, NotFound
from tenants.pattern_facts import Finding, PatternFacts
from tenants.pattern_rows import read_pattern_facts
from tenants.patterns import check_pattern, stops
from tenants.stappenplan import STAPPEN, applying, stops_productie
from tenants.stappenplan_rows import read_missing, were_in_productie

FOLLOWS: Final[Mapping[str, frozenset[str]]] = {
    "concept": frozenset({"proef", "productie", "beeindigd"}),
    "proef": frozenset({"productie", "geblokkeerd", "beeindigd"}),
    "productie": frozenset({"geblokkeerd", "beeindigd"}),
    "geblokkeerd": frozenset({"proef", "productie", "beeindigd"}),
    "beeindigd": frozenset(),
}
STEPS: Final = tuple(name for name, one in STAPPEN.items() if one.ticked)
"""The steps of the stappenplan that the beheerder ticks."""
_USABLE: Final = frozenset({"active", "retiring"})
_IN_USE: Final = frozenset({"proef", "productie"})
_STANDING: Final = (
    "SELECT a.aansluiting_id, a.state, e.kind, a.certificate_id, a.credential_id, a.holder_tenant_id, "
    "  c.state AS certificate_state, r.state AS credential_state, c.not_after "
    "FROM registry.aansluiting a JOIN registry.environment e ON e.name = a.environment "
    "LEFT JOIN registry.certificate c ON c.tenant_id = a.certificate_tenant_id AND c.certificate_id = a.certificate_id "
    "LEFT JOIN registry.credential r ON r.tenant_id = a.tenant_id AND r.credential_id = a.credential_id "
    "WHERE a.tenant_id = $1 AND a.aansluiting_id = ANY ($2::bigint[]) ORDER BY a.aansluiting_id FOR UPDATE OF a"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was done, on a day in the Netherlands."""

    step: str
    done_on: date
    note: str | None


async def move_aansluiting(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, state: str) -> None:
    """Give an aansluiting its next state. Raises NotFound, and InputRefused with everything that stands in the way."""
    if faults := (await move_aansluitingen(connection, tenant_id, {aansluiting_id: state})).get(aansluiting_id):
        raise InputRefused(faults)


async def move_aansluitingen(
    connection: asyncpg.Connection, tenant_id: int, wanted: Mapping[int, str]
) -> dict[int, list[str]]:
    """Give these aansluitingen their next states, those that can have it; of the others everything that stands in the way.

    Raises NotFound. One that has its state already is left alone.
    """
    rows = {row["aansluiting_id"]: row for row in await connection.fetch(_STANDING, tenant_id, list(wanted))}
    if missing := wanted.keys() - rows.keys():
        raise NotFound(f"There is no aansluiting {min(missing)} here.")
    moving = {number: state for number, state in wanted.items() if rows[number]["state"] != state}
    if not moving:
        return {}
    refused = await _refusals(connection, tenant_id, moving, rows)
    await _move(connection, tenant_id, {one: state for one, state in moving.items() if one not in refused}, refused)
    return refused


async def check_made(connection: asyncpg.Connection, tenant_id: int, made: Mapping[int, str]) -> dict[int, list[str]]:
    """Look at aansluitingen that this transaction made in a state as at a move to it; what is refused becomes a concept."""
    rows = await connection.fetch(_STANDING, tenant_id, list(made))
    refused = await _refusals(
        connection, tenant_id, made, {row["aansluiting_id"]: {**row, "state": "concept"} for row in rows}
    )
    if refused:
        await connection.execute(
            "UPDATE registry.aansluiting SET state = 'concept' WHERE tenant_id = $1 AND aansluiting_id = ANY ($2::bigint[])",
            tenant_id, list(refused),
        )  # fmt: skip
    return refused


async def _refusals(
    connection: asyncpg.Connection, tenant_id: int, moving: Mapping[int, str], rows: Mapping[int, Mapping[str, Any]]
) -> dict[int, list[str]]:
    """What stands in the way of those that may not have the state that they move to."""
    refused: dict[int, list[str]] = {}
    facts = await _read_facts(connection, tenant_id)
    waiting = await _waiting_steps(connection, tenant_id, moving, rows, facts)
    lacks_place = bool(waiting) and not await has_place(connection, tenant_id)
    for number, state in moving.items():
        faults = list(_faults(rows[number], state))
        if number in waiting:
            faults += [MISSING] * lacks_place + waiting[number]
        faults += [words for words in _stopped(facts, number, state) if words not in faults]
        if faults:
            refused[number] = faults
    return refused


async def _move(
    connection: asyncpg.Connection, tenant_id: int, moving: dict[int, str], refused: dict[int, list[str]]
) -> None:
    """Move them together. What is right of each alone may be wrong of all (one certificate for two installations)."""
    while moving:
        trial = connection.transaction()
        await trial.start()
        await connection.execute(
            "UPDATE registry.aansluiting a SET state = n.state FROM unnest($2::bigint[], $3::text[]) n (number, state) "
            "WHERE a.tenant_id = $1 AND a.aansluiting_id = n.number",
            tenant_id, list(moving), list(moving.values()),
        )  # fmt: skip
        if len(moving) == 1:
            await trial.commit()
            return
        facts = await _read_facts(connection, tenant_id)
        stopped = {one: found for one, state in moving.items() if (found := _stopped(facts, one, state))}
        if not stopped:
            await trial.commit()
            return
        await trial.rollback()
        refused |= stopped
        moving = {one: state for one, state in moving.items() if one not in stopped}


async def _waiting_steps(
    connection: asyncpg.Connection,
    tenant_id: int,
    moving: Mapping[int, str],
    rows: Mapping[int, Mapping[str, Any]],
    facts: Mapping[int, PatternFacts],
) -> dict[int, list[str]]:
    """Of what goes to productie: the words of the steps that it waits for, [] for what has been there before."""
    going = [one for one, state in moving.items() if (state, rows[one]["kind"]) == ("productie", "productie")]
    if not going:
        return {}
    found: dict[int, list[str]] = {one: [] for one in going}
    first = set(going) - await were_in_productie(connection, tenant_id, going)
    applicable = {one: applying(facts[one], "productie") for one in first if one in facts}
    for number, steps in (await read_missing(connection, tenant_id, applicable)).items():
        # Without a credential that is said by itself.
        found[number] = [
            one.words
            for one in stops_productie(steps)
            if one.name != "inloggegevens_ontvangen" or rows[number]["credential_id"]
        ]
    return found


async def _read_facts(connection: asyncpg.Connection, tenant_id: int) -> dict[int, PatternFacts]:
    return {one.aansluiting_id: one for one in (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())}


def _stopped(facts: Mapping[int, PatternFacts], number: int, state: str) -> list[str]:
    """What stops calls over it, of one that is put to use."""
    if state not in _IN_USE or number not in facts:
        return []
    return [one.text for one in stops(check_pattern(facts[number], datetime.now(UTC)))]


def _faults(row: Mapping[str, Any], state: str) -> Iterator[str]:
    if state not in FOLLOWS[row["state"]]:
        yield f"Na toestand {row['state']} komt geen {state}."
    if state not in _IN_USE:
        return
    if state == "productie" and row["kind"] != "productie":
        yield "In een proefomgeving wordt een aansluiting niet productie."
    if row["certificate_id"] is None:
        yield "De aansluiting heeft geen certificaat."
    # A holder's certificate is not visible here; whether it may be used is looked at per call.
    elif row["holder_tenant_id"] is None and row["certificate_state"] not in _USABLE:
        yield "Het certificaat is niet actief."
    elif row["not_after"] is not None and row["not_after"] <= datetime.now(UTC):
        yield "Het certificaat is verlopen."
    if row["credential_id"] is None:
        yield "De aansluiting heeft geen credential."
    elif row["credential_state"] not in _USABLE:
        yield "De credential is niet actief."


async def findings_of(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int) -> Sequence[Finding]:
    """What is not as the aansluitpatroon wants it, now. An ended aansluiting has none."""
    facts = (await _read_facts(connection, tenant_id)).get(aansluiting_id)
    return () if facts is None else check_pattern(facts, datetime.now(UTC))


async def read_steps(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int) -> list[Step]:
    """The steps that were done, in order of the stappenplan."""
    rows = await connection.fetch(
        "SELECT step, done_on, note FROM registry.aansluiting_stap WHERE tenant_id = $1 AND aansluiting_id = $2",
        tenant_id, aansluiting_id,
    )  # fmt: skip
    found = {row["step"]: Step(**row) for row in rows}
    return [found[step] for step in STEPS if step in found]


async def put_steps(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, steps: Collection[Step]
) -> None:
    """Let these steps be done, and no others. What they said before stays in the history. The aansluiting gets a new version."""
    # First, so that two at once wait for each other here, and the second finds another version.
    await connection.execute(
        "UPDATE registry.aansluiting SET version = version WHERE tenant_id = $1 AND aansluiting_id = $2",
        tenant_id, aansluiting_id,
    )  # fmt: skip
    await connection.execute(
        "DELETE FROM registry.aansluiting_stap WHERE tenant_id = $1 AND aansluiting_id = $2 AND step <> ALL ($3::text[])",
        tenant_id, aansluiting_id, [one.step for one in steps],
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO registry.aansluiting_stap AS s (tenant_id, aansluiting_id, step, done_on, note) "
        "SELECT $1, $2, * FROM unnest($3::text[], $4::date[], $5::text[]) "
        "ON CONFLICT (tenant_id, aansluiting_id, step) DO UPDATE SET done_on = EXCLUDED.done_on, note = EXCLUDED.note "
        "WHERE (s.done_on, s.note) IS DISTINCT FROM (EXCLUDED.done_on, EXCLUDED.note)",
        tenant_id, aansluiting_id, [one.step for one in steps], [one.done_on for one in steps],
        [one.note for one in steps],
    )  # fmt: skip


async def put_identity(
    connection: asyncpg.Connection,
    tenant_id: int,
    aansluiting_id: int,
    *,
    certificate_id: int | None,
    credential_id: int | None,
    exception_id: int | None,
) -> None:
    """Say with which certificate and credential a concept will leave. Raises InputRefused when it is in use already."""
    found = await connection.fetchval(
        "UPDATE registry.aansluiting a SET certificate_id = $3, credential_id = $4, exception_id = x.exception_id, "
        "  holder_tenant_id = x.holder_tenant_id, holder_oin = x.holder_oin "
        "FROM (SELECT 1) one LEFT JOIN registry.certificate_exception x ON x.tenant_id = $1 AND x.exception_id = $5 "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2 AND a.state = 'concept' "
        "  AND ($5::bigint IS NULL OR x.exception_id IS NOT NULL) RETURNING a.aansluiting_id",
        tenant_id, aansluiting_id, certificate_id, credential_id, exception_id,
    )  # fmt: skip
    if found is None:
        words = (
            "Certificaat, credential en uitzondering stel je hier alleen in bij een concept, met een uitzondering die "
            "bestaat. Daarna wissel je ze door een nieuw certificaat of een nieuwe credential te activeren."
        )
        raise InputRefused([words])
