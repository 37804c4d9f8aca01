"""One verbindingstest from its first step to its last."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.catalogue import Api, Catalogue, Environment
from gateway.errors import IdentityUnavailable
from gateway.mtls import PROBING_STATES, Identities
from gateway.token_request import Secrets
from gateway.verbindingstest.asking import Asking, Heard, ask_in_steps
from gateway.verbindingstest.connecting import connect_in_steps
from gateway.verbindingstest.reaching import Target, place_of
from gateway.verbindingstest.steps import Step, good, skipped, wrong
from gateway.wire.pools import Wires
from gateway.wire.routes import DIRECT, Way
from tenants.keyring import Keyring
from tenants.model import Aansluiting

# As the admin API names them. One that ended after it was asked for is told as that by the step that needs it.
_CERTIFICATE: Final = {
    "staged": "klaargezet", "active": "actief", "retiring": "uitlopend", "retired": "uitgefaseerd",
    "revoked": "ingetrokken",
}  # fmt: skip
_CREDENTIAL: Final = {"staged": "klaargezet", "active": "actief", "retiring": "uitfaserend"}


@dataclass(frozen=True, slots=True)
class Bench:
    """What every test of this process works with."""

    catalogue: Catalogue
    keyring: Keyring = field(repr=False)
    anchors: Mapping[str, str] = field(repr=False)
    ways: Mapping[str, Way] = field(repr=False)


async def run_in_steps(
    bench: Bench, aansluiting: Aansluiting, kinds: tuple[str, ...], heard: Heard
) -> AsyncGenerator[Step, None]:
    """All steps, timed, over connections of this test alone. What follows a fault is skipped."""
    begun = time.monotonic()
    async with aclosing(_run(bench, aansluiting, kinds, heard)) as steps:
        async for step in steps:
            yield replace(step, milliseconds=int((time.monotonic() - begun) * 1000))
            # Writing the step is no part of the next one.
            begun = time.monotonic()


async def _run(
    bench: Bench, aansluiting: Aansluiting, kinds: tuple[str, ...], heard: Heard
) -> AsyncGenerator[Step, None]:
    environment = bench.catalogue.environments.get(aansluiting.environment)
    if environment is None:
        detail = f"Omgeving {aansluiting.environment} staat niet in de catalogus van deze gateway."
        yield wrong("gegevens", "operator", detail, omgeving=aansluiting.environment)
        return
    apis = {kind: _api_of(environment, kind) for kind in kinds}
    missing = [kind for kind, api in apis.items() if api is None]
    if missing:
        detail = f"Omgeving {environment.name} heeft in de catalogus geen API voor {', '.join(missing)}."
        yield wrong("gegevens", "operator", detail, omgeving=environment.name, ontbreekt=missing)
        return
    yield _about(aansluiting)
    failed = False
    identities = Identities(bench.keyring, bench.anchors, states=PROBING_STATES)
    for target in _targets(bench, environment, aansluiting, identities):
        async with aclosing(connect_in_steps(target)) as steps:
            async for step in steps:
                failed = failed or step.stops
                yield step
    wires = Wires(identities, ways=bench.ways)
    try:
        for api in apis.values():
            if failed or api is None:
                for name in ("token", "claims", "probe"):
                    yield skipped(name, api=api.name if api else "")
                continue
            asking = Asking(aansluiting, environment, api, wires, Secrets(bench.keyring), heard)
            async with aclosing(ask_in_steps(asking)) as steps:
                async for step in steps:
                    yield step
    finally:
        await wires.close()


def _about(aansluiting: Aansluiting) -> Step:
    certificate, credential = aansluiting.certificate, aansluiting.credential
    detail = (
        f"AfnemerID {aansluiting.afnemer_id}, OIN {certificate.oin}, omgeving {aansluiting.environment}; certificaat "
        f"{certificate.certificate_id} ({_CERTIFICATE[certificate.state]}), credential {credential.credential_id} "
        f"({_CREDENTIAL[credential.state]})."
    )
    return good(
        "gegevens", detail, afnemerId=aansluiting.afnemer_id, oin=certificate.oin, omgeving=aansluiting.environment,
        certificaat=certificate.certificate_id, vingerafdruk=certificate.fingerprint.hex(),
        certificaatGeldigTot=certificate.not_after.isoformat(), credential=credential.credential_id,
    )  # fmt: skip


def _targets(bench: Bench, environment: Environment, aansluiting: Aansluiting, identities: Identities) -> list[Target]:
    """The servers of the environment, each once: that of the APIs, and that of the token endpoint if it is another."""
    context, trouble = None, None
    try:
        context = identities.get(aansluiting.certificate, environment.name).context
    except IdentityUnavailable as error:
        trouble = error
    places = dict.fromkeys((place_of(environment.base_url), place_of(environment.token_url)))
    way, anchors = bench.ways.get(environment.name, DIRECT), bench.anchors.get(environment.name)
    return [
        Target(host, port, way, environment.connect_timeout, anchors, context, trouble) for host, port in places
    ]  # fmt: skip


def _api_of(environment: Environment, kind: str) -> Api | None:
    return next((api for api in environment.apis if api.kind == kind), None)
