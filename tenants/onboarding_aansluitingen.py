"""The part of an onboarding that makes aansluitingen, ticks their steps and puts them to use. In a tenant's scope.

Who asks (`Work.asks`) makes concepts, and changes certificate and credential; the states are those of the stappenplan and
its checklist (`tenants.aansluiting_changes`), as everybody's are. A restore puts back what stood, and looks at no list.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tenants import registry
from tenants.aansluiting_changes import check_made, move_aansluitingen
from tenants.agreements import use_certificate
from tenants.changes import rotate_certificate, rotate_credential
from tenants.faults import InputRefused
from tenants.onboarding_document import AansluitingPart, TenantPart
from tenants.onboarding_names import Named
from tenants.onboarding_patterns import find_exception
from tenants.onboarding_work import Work

_NL = ZoneInfo("Europe/Amsterdam")
_FUTURE = "a step is taken on a day that has been."


async def apply_aansluitingen(work: Work, part: TenantPart, credentials: Mapping[str, int]) -> None:
    """Make aansluitingen, or bring them to the certificate, credential and state that the document says."""
    if not part.aansluitingen:
        return
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT aansluiting_id, afnemer_id, environment, pattern, certificate_id, credential_id, exception_id, state, "
        "  scope_template, resource_server, valid_from, valid_until "
        "FROM registry.aansluiting WHERE tenant_id = $1 AND state <> 'beeindigd'",
        tenant_id,
    )
    known = {(row["afnemer_id"], row["environment"], row["pattern"]): row for row in rows}
    oins = dict(
        await work.connection.fetch("SELECT afnemer_id, oin FROM registry.afnemer WHERE tenant_id = $1", tenant_id)
    )
    missing = []
    for one in part.aansluitingen:
        exception_id = await find_exception(work, tenant_id, one)
        has_leave = one.certificate_of is None or exception_id is not None
        identity = (
            work.certificates[one.certificate_of or part.oin, one.certificate]
            if one.certificate and has_leave
            else None,
            None if one.credential is None else credentials[one.credential],
        )
        found = known.get(one.key)
        if found is not None:
            work.changed["aansluiting"] += await _change(work, tenant_id, found, one, (*identity, exception_id))
        elif one.afnemer_id not in oins:
            raise InputRefused([f"Afnemer {one.afnemer_id} is not of the tenant with OIN {part.oin}."])
        else:
            missing.append(
                registry.NewAansluiting(
                    one.afnemer_id,
                    oins[one.afnemer_id],
                    one.environment,
                    *identity,
                    one.pattern,
                    _first_state(work, one),
                    one.scope_template,
                    one.resource_server,
                    one.valid_from,
                    one.valid_until,
                    exception_id,
                )
            )
    if not missing:
        return
    made = await registry.create_aansluitingen(work.connection, tenant_id, missing)
    work.made["aansluiting"] += len(made)
    if work.asks:
        work.fresh.update(
            (number, one.state) for number, one in zip(made, missing, strict=True) if one.state != "concept"
        )


def _first_state(work: Work, one: AansluitingPart) -> str:
    """What it is made in. Where nothing is asked at once what the document says: `move_to_states` looks at it."""
    if not work.asks:
        return one.state
    is_whole = one.certificate_of is None and one.certificate is not None and one.credential is not None
    return one.state if one.environment in work.proef and one.state == "proef" and is_whole else "concept"


async def _change(
    work: Work,
    tenant_id: int,
    found: Mapping[str, Any],
    wanted: AansluitingPart,
    identity: tuple[int | None, int | None, int | None],
) -> bool:
    number = found["aansluiting_id"]
    before = (found["certificate_id"], found["credential_id"], found["exception_id"])
    # What the document leaves open for a concept stays as it is.
    certificate_id, credential_id = identity[0] or before[0], identity[1] or before[1]
    if identity[0] is None and work.asks:
        identity = (*identity[:2], before[2])
    identity = (certificate_id, credential_id, identity[2])
    state = found["state"] if work.asks else wanted.state
    standing = (found["state"], found["scope_template"], found["resource_server"])
    if (
        before == identity
        and standing == (state, wanted.scope_template, wanted.resource_server)
        and wanted.valid_from in {None, found["valid_from"]}
        and wanted.valid_until in {None, found["valid_until"]}
    ):
        return False
    if certificate_id is None:
        pass
    elif (identity[2] or before[2]) is not None:
        if (before[0], before[2]) != (identity[0], identity[2]):
            await use_certificate(work.connection, tenant_id, number, certificate_id, exception_id=identity[2])
    elif before[0] != certificate_id:
        await rotate_certificate(work.connection, tenant_id, number, certificate_id)
    if credential_id is not None and before[1] != credential_id:
        await rotate_credential(work.connection, tenant_id, number, credential_id)
    status = await work.connection.execute(
        "UPDATE registry.aansluiting SET state = $3, scope_template = $4, resource_server = $5, "
        "  valid_from = COALESCE($6, valid_from), valid_until = COALESCE($7, valid_until) "
        "WHERE tenant_id = $1 AND aansluiting_id = $2 "
        "  AND (state, scope_template, resource_server, valid_from, valid_until) "
        "    IS DISTINCT FROM ($3, $4, $5, COALESCE($6, valid_from), COALESCE($7, valid_until))",
        tenant_id, number, state, wanted.scope_template, wanted.resource_server, wanted.valid_from,
        wanted.valid_until,
    )  # fmt: skip
    if before != identity:
        work.rotated.add(number)
    return bool(status == "UPDATE 1") or before != identity


async def apply_steps(work: Work, tenant_id: int, parts: Sequence[AansluitingPart]) -> None:
    """Tick the steps that are not ticked so yet; what was said before stays in the history. Raises InputRefused."""
    said = [(one, step) for one in parts for step in one.steps]
    today = datetime.now(_NL).date()
    if faults := [f"{_words(one)}: {step.step}: {_FUTURE}" for one, step in said if step.day > today]:
        raise InputRefused(faults)
    if not said:
        return
    numbers = await Named(work).aansluitingen(tenant_id)
    rows = [(numbers[one.key], step.step, step.day, step.note) for one, step in said if one.key in numbers]
    known = {
        (row["aansluiting_id"], row["step"]): (row["done_on"], row["note"])
        for row in await work.connection.fetch(
            "SELECT aansluiting_id, step, done_on, note FROM registry.aansluiting_stap WHERE tenant_id = $1", tenant_id
        )
    }
    new = [row for row in rows if known.get(row[:2]) != row[2:]]
    if not new:
        return
    # First, so that two at once wait for each other here, and the second finds another version.
    await work.connection.execute(
        "UPDATE registry.aansluiting SET version = version WHERE tenant_id = $1 AND aansluiting_id = ANY ($2::bigint[])",
        tenant_id, sorted({row[0] for row in new}),
    )  # fmt: skip
    await work.connection.execute(
        "INSERT INTO registry.aansluiting_stap (tenant_id, aansluiting_id, step, done_on, note) "
        "SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::date[], $5::text[]) "
        "ON CONFLICT (tenant_id, aansluiting_id, step) DO UPDATE SET done_on = EXCLUDED.done_on, note = EXCLUDED.note",
        tenant_id, *(list(column) for column in zip(*new, strict=True)),
    )  # fmt: skip
    work.changed["step"] += len(new)
    touched = {row[0] for row in new}
    work.touched.extend(one for one in parts if numbers.get(one.key) in touched)


async def move_to_states(work: Work, tenant_id: int, parts: Sequence[AansluitingPart]) -> dict[str, list[str]]:
    """Give aansluitingen the states that the document says, those that can; what stands in the way, by aansluiting."""
    numbers = await Named(work).aansluitingen(tenant_id)
    wanted = {numbers[one.key]: one for one in parts if one.key in numbers}
    rows = await work.connection.fetch(
        "SELECT aansluiting_id, state FROM registry.aansluiting WHERE tenant_id = $1 AND aansluiting_id = ANY ($2::bigint[])",
        tenant_id, list(wanted),
    )  # fmt: skip
    fresh = {number: work.fresh.pop(number) for number in wanted if number in work.fresh}
    refused = await check_made(work.connection, tenant_id, fresh) if fresh else {}
    states = {row["aansluiting_id"]: row["state"] for row in rows}
    moving = {number: one for number, one in wanted.items() if states[number] != one.state}
    refused = await move_aansluitingen(
        work.connection, tenant_id, {number: one.state for number, one in moving.items()}
    )
    work.changed["aansluiting"] += len(moving) - len(refused)
    work.touched.extend(one for number, one in moving.items() if number not in refused)
    return {_words(wanted[number]): faults for number, faults in refused.items()}


def _words(one: AansluitingPart) -> str:
    return f"aansluiting {one.pattern} of {one.afnemer_id} in {one.environment}"
