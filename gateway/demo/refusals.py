"""The four refusals of the demo, each brought about for real and taken away again.

A blocked afnemer (through the admin API), the AfnemerID of another, a certificate that has just expired, and a register
that cannot be written. In none of them may RvIG see anything.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.demo.asking import Reply, ask
from gateway.demo.calls import Stage, ask_token, find_attempt, find_regel, gemeente_calls, joint_calls, send
from gateway.demo.expectations import Call, Check, Refusal, Refused
from gateway.demo.samples import ACTOR
from tenants.changes import rotate_certificate
from tenants.keyring import public_half
from tenants.registry import add_certificate
from tenants.scope import tenant_scope

SOON = timedelta(seconds=3)
_PATIENCE = 15.0


async def sample_refusals(stage: Stage) -> AsyncIterator[tuple[Refusal, Refused]]:
    """Bring each refusal about. The certificate that is to expire is put in place first, so that nobody waits for it."""
    expires, old = await _let_certificate_expire(stage)
    yield await _blocked_afnemer(stage)
    yield await _foreign_afnemer(stage)
    yield await _expired_certificate(stage, expires, old)
    yield await _register_unwritable(stage)


async def _blocked_afnemer(stage: Stage) -> tuple[Refusal, Refused]:
    call = gemeente_calls(stage.samples)[0]
    afnemer_id = call.organisation.afnemer.afnemer_id
    began = datetime.now(UTC)
    blocked = await _admin(stage, "POST", "", {"soort": "afnemer", "waarde": afnemer_id, "reden": "Demo: incident"})
    # From here on, at once: the POST has returned.
    before = await stage.control.count()
    reply = await send(stage, call)
    seen = await stage.control.seen_since(before)
    regel = await find_attempt(stage, call.system.tenant_id, (began, datetime.now(UTC) + timedelta(minutes=1)))
    released = await _admin(stage, "DELETE", f"/afnemer/{afnemer_id}", {"reden": "Demo: incident voorbij"})
    afterwards, seconds = await _until_served(stage, call)
    others = (
        Check("answer to the blokkade", 201, blocked.status),
        Check("answer to its release", True, released.status in {200, 204}),
    )
    refusal = Refusal(
        "A blocked afnemer",
        f"the operator blocks AfnemerID {afnemer_id} (admin API: {blocked.status}); {call.system.name} asks at once",
        403, "geblokkeerd", "gateway", "geblokkeerd",
        mended="the block is released",
    )  # fmt: skip
    return refusal, Refused(reply, seen, regel, others, afterwards, seconds)


async def _foreign_afnemer(stage: Stage) -> tuple[Refusal, Refused]:
    """The vendor's taaksysteem asks for the AfnemerID of a gemeente that gave it no mandate."""
    system, foreign = stage.samples.heffingen, stage.samples.duinwijk.afnemer
    before = await stage.control.count()
    reply = await ask_token(stage, system, foreign.scope)
    refusal = Refusal(
        "The AfnemerID of another",
        f"{system.name} asks for a token for {foreign.name}, which gave it no mandate (scope {foreign.scope})",
        400, "invalid_scope",
        unrecorded="nothing: a token request is no call; the security log has it",
    )  # fmt: skip
    return refusal, Refused(reply, await stage.control.seen_since(before))


async def _let_certificate_expire(stage: Stage) -> tuple[datetime, int]:
    """Rotate to a certificate that ends in seconds; return when, and the number of the one that it replaces."""
    member = stage.samples.turfmeer
    expires = datetime.now(UTC).replace(microsecond=0) + SOON
    issued = stage.ground.pki.issue_client(member.afnemer.oin, member.afnemer.name, not_after=expires)
    async with tenant_scope(stage.tenants, member.tenant_id, actor=ACTOR):
        made = await add_certificate(
            stage.tenants,
            member.tenant_id,
            public_half(stage.ground.identity),
            organisation_oin=member.afnemer.oin,
            chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )
        await rotate_certificate(stage.tenants, member.tenant_id, member.aansluiting_id, made)
    return expires, member.certificate_id


async def _expired_certificate(stage: Stage, expires: datetime, old: int) -> tuple[Refusal, Refused]:
    call = next(one for one in joint_calls(stage.samples) if one.organisation == stage.samples.turfmeer)
    began = datetime.now(UTC)
    await asyncio.sleep(max(0.0, (expires - began).total_seconds() + 0.05))
    before = await stage.control.count()
    reply = await send(stage, call)
    seen = await stage.control.seen_since(before)
    # A refused attempt stands in the register of the tenant whose taaksysteem it was.
    regel = await find_attempt(stage, call.system.tenant_id, (began, datetime.now(UTC) + timedelta(minutes=1)))
    async with tenant_scope(stage.tenants, call.organisation.tenant_id, actor=ACTOR):
        await rotate_certificate(stage.tenants, call.organisation.tenant_id, call.organisation.aansluiting_id, old)
    afterwards, seconds = await _until_served(stage, call)
    refusal = Refusal(
        "An expired certificate",
        f"the certificate of {call.organisation.afnemer.name} ended at {expires:%H:%M:%S} UTC; {call.system.name} asks",
        403, "certificaatVerlopen", "gateway", "certificaatVerlopen",
        mended="a valid certificate takes its place",
    )  # fmt: skip
    return refusal, Refused(reply, seen, regel, (), afterwards, seconds)


async def _register_unwritable(stage: Stage) -> tuple[Refusal, Refused]:
    """The database becomes read-only under the running gateway, and writable again."""
    call = gemeente_calls(stage.samples)[0]
    before = await stage.control.count()
    with stage.database.read_only():
        reply = await send(stage, call)
        seen = await stage.control.seen_since(before)
    afterwards, seconds = await _until_served(stage, call)
    regel = await find_regel(stage, call.organisation.tenant_id, reply)
    refusal = Refusal(
        "A register that cannot be written",
        f"the database becomes read-only under the running gateway; {call.system.name} asks",
        503, "registerOnbereikbaar", "register",
        unrecorded="nothing: without an opening row nothing leaves",
        mended="the database is writable again",
    )  # fmt: skip
    return refusal, Refused(reply, seen, regel, (), afterwards, seconds)


async def _until_served(stage: Stage, call: Call) -> tuple[int, float]:
    """Ask until it is answered again; return the last status, and the seconds that it took."""
    began = time.monotonic()
    while True:
        reply = await send(stage, call)
        passed = time.monotonic() - began
        if reply.status == 200 or passed > _PATIENCE:
            return reply.status, passed
        await asyncio.sleep(0.1)


async def _admin(stage: Stage, method: str, path: str, body: Any) -> Reply:
    return await ask(
        method,
        f"{stage.tenants_url}/v1/blokkades{path}",
        headers={"Authorization": f"Bearer {stage.operator_key}"},
        body=body,
        context=stage.context,
    )
