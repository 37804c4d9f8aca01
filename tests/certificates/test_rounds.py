"""The sealer finds what was revoked at any level, stops it for ever, and destroys the keys of what has ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from prometheus_client import CollectorRegistry

from tenants.fetch import FetchRules
from tenants.keyring import public_half
from tenants.registry import add_certificate
from tenants.revocation.lists import issuer_digest
from tenants.revocation.metrics import make_revocation_metrics
from tenants.revocation.ocsp import read_answer
from tenants.revocation.rounds import Places, Rounds
from tenants.scope import tenant_scope
from tests.certificates.authorities import Authority, Leaf, Tree, make_authority, make_tree
from tests.certificates.serving import Lists, ocsp_answer
from tests.worlds import Keyrings, World

HOUR = timedelta(hours=1)


@dataclass
class Stage:
    world: World
    tree: Tree
    leaf: Leaf
    certificate_id: int
    places: Lists
    rounds: Rounds
    registry: CollectorRegistry
    sealer: asyncpg.Connection
    admin: asyncpg.Connection

    async def work(self) -> None:
        await self.admin.execute("UPDATE registry.crl SET due_at = now()")
        await self.rounds.work(self.sealer)

    async def state(self) -> str:
        query = "SELECT state FROM registry.certificate WHERE certificate_id = $1"
        return str(await self.admin.fetchval(query, self.certificate_id))

    def metric(self, name: str, authority: Authority) -> float | None:
        labels = {"issuer": issuer_digest(authority.certificate).hex()[:16]}
        return self.registry.get_sample_value(f"koppelpunt_sealer_{name}", labels)

    def outcomes(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("koppelpunt_sealer_crl_fetches_total", {"outcome": outcome})


async def stage_of(
    world: World,
    places: Lists,
    registrar,
    sealer,
    admin,
    keyrings: Keyrings,
    *,
    kind: str = "ec",
    ocsp_too: bool = False,
) -> Stage:
    tree = make_tree(kind, base=places.base, ocsp=ocsp_too)
    leaf = tree.leaf(world.oin)
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        number = await add_certificate(
            registrar, world.tenant_id, public_half(keyrings.identity), organisation_oin=world.oin,
            chain_pem=tree.chain_pem(leaf), key_pem=leaf.key_pem,
        )  # fmt: skip
    rules = FetchRules(frozenset({places.host}), (ip_network("127.0.0.0/8"),), None, 5.0, plain=True)
    registry = CollectorRegistry()
    rounds = Rounds(Places(rules, (tree.root.certificate,)), make_revocation_metrics(registry))
    places.serve(tree)
    return Stage(world, tree, leaf, number, places, rounds, registry, sealer, admin)


@pytest.fixture
async def stage(world, places, registrar, sealer, admin, keyrings) -> Stage:
    return await stage_of(world, places, registrar, sealer, admin, keyrings)


@pytest.mark.parametrize("kind", ["g1", "g4"])
async def test_the_lists_of_every_level_are_fetched_kept_and_shown(
    kind, world, places, registrar, sealer, admin, keyrings
):
    here = await stage_of(world, places, registrar, sealer, admin, keyrings, kind=kind)
    await here.work()
    kept = await admin.fetch("SELECT issuer, url, this_update, next_update, due_at, failures, fault FROM registry.crl")
    assert {(row["issuer"], row["url"]) for row in kept} == {
        (issuer_digest(one.certificate), one.list_url) for one in here.tree.authorities
    }
    assert all(row["failures"] == 0 and row["fault"] is None for row in kept)
    assert all(row["due_at"] <= datetime.now(UTC) + 4 * HOUR for row in kept)
    assert len({row["due_at"] for row in kept}) == 3
    for one in here.tree.authorities:
        assert here.metric("crl_age_seconds", one) == pytest.approx(60, abs=15)
        assert here.metric("crl_stale", one) == 0
    assert await here.state() == "active"


@pytest.mark.parametrize("level", [0, 1, 2])
async def test_what_was_revoked_at_any_level_is_stopped_and_the_history_says_by_whom(stage: Stage, level: int):
    await stage.work()
    assert await stage.state() == "active"
    victim = (stage.tree.domain.certificate, stage.tree.issuing.certificate, stage.leaf.certificate)[level]
    stage.tree.authorities[level].revoked.append(victim.serial_number)
    await stage.work()
    assert await stage.state() == "revoked"
    row = await stage.admin.fetchrow(
        "SELECT actor, after ->> 'state' AS state, after ->> 'revocation' AS says FROM registry.wijziging "
        "WHERE object = 'certificate' AND action = 'update' ORDER BY number DESC LIMIT 1"
    )
    assert (row["actor"], row["state"]) == ("sealer", "revoked")
    assert f"{victim.serial_number:x}" in row["says"]
    # Only that one: the other certificate of the same tenant goes on.
    assert await stage.admin.fetchval("SELECT count(*) FROM registry.certificate WHERE state = 'active'") == 1
    with pytest.raises(asyncpg.CheckViolationError):
        await stage.admin.execute("UPDATE registry.certificate SET state = 'active' WHERE state = 'revoked'")


async def test_a_list_that_has_ended_is_alarmed_and_stops_no_own_certificate(stage: Stage):
    await stage.work()
    await stage.admin.execute("UPDATE registry.crl SET next_update = now() - interval '1 hour', this_update = now() - interval '2 hours'")  # fmt: skip
    stage.places.down = True
    await stage.work()
    assert stage.metric("crl_stale", stage.tree.issuing) == 1
    assert stage.metric("crl_age_seconds", stage.tree.issuing) == pytest.approx(7200, abs=30)
    assert await stage.state() == "active"


async def test_a_place_that_fails_is_asked_later_each_time_and_keeps_what_there_was(stage: Stage):
    await stage.work()
    before = await stage.admin.fetch("SELECT der FROM registry.crl ORDER BY url")
    stage.places.down = True
    waits = []
    for _ in range(3):
        await stage.work()
        waits.append(await stage.admin.fetchval("SELECT min(due_at - now()) FROM registry.crl"))
        # Nothing is due, so nobody asks.
        asked = dict(stage.places.asked)
        await stage.rounds.work(stage.sealer)
        assert stage.places.asked == asked
    assert waits[0] < waits[1] < waits[2] <= HOUR
    assert await stage.admin.fetch("SELECT der FROM registry.crl ORDER BY url") == before
    assert stage.outcomes("status") == 9


def foreign() -> Authority:
    return make_tree("ec").issuing


BAD: dict[str, Callable[[Tree], bytes]] = {
    "handtekening": lambda tree: tree.issuing.crl(signer=foreign()),
    "uitgever": lambda tree: tree.domain.crl(),
    "onleesbaar": lambda _: b"<html>onderhoud</html>",
    "soort": lambda tree: tree.issuing.crl(extensions=[(x509.DeltaCRLIndicator(1), True)]),
    "toekomst": lambda tree: tree.issuing.crl(age=-HOUR),
    "verlopen": lambda tree: tree.issuing.crl(age=50 * HOUR),
    "omvang": lambda _: bytes(16 * 1024 * 1024 + 1),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_list_that_cannot_be_believed_is_not_kept(stage: Stage, fault: str):
    stage.tree.issuing.revoked.append(stage.leaf.certificate.serial_number)
    stage.places.lists[f"/{stage.tree.issuing.slug}.crl"] = lambda: BAD[fault](stage.tree)
    await stage.work()
    row = await stage.admin.fetchrow("SELECT der, fault FROM registry.crl WHERE url = $1", stage.tree.issuing.list_url)
    assert (row["der"], row["fault"]) == (None, fault)
    assert stage.outcomes(fault) == 1
    assert await stage.state() == "active"


async def test_an_older_list_does_not_take_the_place_of_a_newer_one(stage: Stage):
    older = stage.tree.issuing.crl(age=3 * HOUR)
    await stage.work()
    stage.places.lists[f"/{stage.tree.issuing.slug}.crl"] = lambda: older
    await stage.work()
    assert stage.outcomes("terug") == 1


async def test_a_list_that_was_changed_in_the_database_is_not_believed(stage: Stage):
    await stage.work()
    stage.places.down = True
    stage.tree.issuing.revoked.append(stage.leaf.certificate.serial_number)
    forged = stage.tree.issuing.crl(signer=foreign(), age=timedelta(0))
    await stage.admin.execute("UPDATE registry.crl SET der = $1, this_update = now() WHERE url = $2", forged, stage.tree.issuing.list_url)  # fmt: skip
    await stage.work()
    assert await stage.state() == "active"
    assert stage.outcomes("handtekening") == 1


async def test_nothing_is_fetched_from_a_host_that_the_operator_did_not_list(stage: Stage):
    stage.rounds.places = replace(stage.rounds.places, rules=FetchRules(frozenset({"crl.example"}), plain=True))
    await stage.work()
    assert stage.outcomes("host") == 3
    assert stage.places.asked == {}


async def test_lists_that_the_operator_named_for_callers_are_kept_too(stage: Stage):
    callers = make_tree("ec", base=stage.places.base)
    callers_ca = make_authority("Callers CA", callers.domain, 0, callers.now, base=stage.places.base)
    stage.places.lists["/bellers.crl"] = callers_ca.crl
    stage.rounds.places = replace(
        stage.rounds.places, urls=(f"{stage.places.base}/bellers.crl",),
        authorities=(stage.tree.root.certificate, callers_ca.certificate),
    )  # fmt: skip
    for _ in range(2):
        await stage.work()
    kept = await stage.admin.fetchrow("SELECT issuer, der FROM registry.crl WHERE url LIKE '%bellers.crl'")
    assert kept["issuer"] == issuer_digest(callers_ca.certificate)
    assert kept["der"] is not None


@pytest.mark.parametrize("says", ["revoked", "good"])
async def test_ocsp_is_asked_where_it_is_offered(says, world, places, registrar, sealer, admin, keyrings):
    here = await stage_of(world, places, registrar, sealer, admin, keyrings, ocsp_too=True)
    status = ocsp.OCSPCertStatus.REVOKED if says == "revoked" else ocsp.OCSPCertStatus.GOOD
    issuing = here.tree.issuing
    places.responders[f"/ocsp/{issuing.slug}"] = lambda _: ocsp_answer(
        here.leaf.certificate, issuing.certificate, issuing, status=status
    )
    for _ in range(2):
        await here.work()
    assert await here.state() == ("revoked" if says == "revoked" else "active")
    assert here.registry.get_sample_value("koppelpunt_sealer_ocsp_answers_total", {"outcome": says}) == 1


def responder(tree: Tree, *uses: x509.ObjectIdentifier) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = tree.leaf(None, key=key, names=["ocsp.example"], replaced=[(x509.ExtendedKeyUsage(list(uses)), False)])
    return Authority(leaf.certificate, key)


def test_an_answer_of_ocsp_counts_only_from_whom_the_authority_named_and_about_this_certificate():
    tree = make_tree("ec")
    leaf, other, now = tree.leaf().certificate, tree.leaf().certificate, datetime.now(UTC)
    issuer, revoked = tree.issuing.certificate, ocsp.OCSPCertStatus.REVOKED

    def said(signer: Authority, about: x509.Certificate = leaf, **changed) -> str:
        shown = () if signer is tree.issuing else (signer.certificate,)
        answer = ocsp_answer(about, issuer, signer, shown=shown, **{"status": revoked, **changed})
        return read_answer(answer, leaf, issuer, now)

    assert said(tree.issuing) == "revoked"
    assert said(responder(tree, ExtendedKeyUsageOID.OCSP_SIGNING)) == "revoked"
    assert said(responder(tree, ExtendedKeyUsageOID.CLIENT_AUTH)) == "nothing"
    assert said(responder(make_tree("ec"), ExtendedKeyUsageOID.OCSP_SIGNING)) == "nothing"
    assert said(foreign()) == "nothing"
    assert said(tree.issuing, other) == "nothing"
    good = ocsp.OCSPCertStatus.GOOD
    assert said(tree.issuing, status=good) == "good"
    assert said(tree.issuing, status=good, age=9 * HOUR) == "nothing"
    assert said(tree.issuing, status=ocsp.OCSPCertStatus.UNKNOWN) == "nothing"
    for junk in (b"", b"\x30\x03\x0a\x01\x06", b"<html>", bytes(100)):
        assert read_answer(junk, leaf, issuer, now) == "nothing"


@pytest.mark.parametrize("state", ["retired", "revoked"])
async def test_the_key_of_what_ended_thirty_days_ago_is_destroyed_and_recorded(stage: Stage, state: str):
    await stage.admin.execute(f"UPDATE registry.certificate SET state = '{state}' WHERE certificate_id = $1", stage.certificate_id)  # noqa: S608  # fmt: skip
    query = "SELECT key_sealed IS NULL AS gone, key_destroyed_at FROM registry.certificate WHERE certificate_id = $1"
    await age(stage, "29 days 23 hours")
    await stage.work()
    assert not (await stage.admin.fetchrow(query, stage.certificate_id))["gone"]
    await age(stage, "30 days")
    await stage.work()
    row = await stage.admin.fetchrow(query, stage.certificate_id)
    assert row["gone"]
    assert stage.registry.get_sample_value("koppelpunt_sealer_certificate_keys_destroyed_total") == 1
    told = await stage.admin.fetchrow("SELECT actor, after FROM registry.wijziging ORDER BY number DESC LIMIT 1")
    assert told["actor"] == "sealer"
    assert '"key_destroyed_at": "20' in told["after"]
    # The certificate that is in use keeps its key.
    assert await stage.admin.fetchval("SELECT count(*) FROM registry.certificate WHERE key_sealed IS NOT NULL") == 1


async def age(stage: Stage, how_long: str) -> None:
    """Only without its trigger can the moment be moved, and only by a superuser."""
    await stage.admin.execute("SET session_replication_role = replica")
    await stage.admin.execute(f"UPDATE registry.certificate SET retired_at = now() - interval '{how_long}' WHERE certificate_id = $1", stage.certificate_id)  # noqa: S608  # fmt: skip
    await stage.admin.execute("RESET session_replication_role")


async def test_nobody_chooses_the_moment_of_retirement_or_exchanges_a_key(stage: Stage, registrar: asyncpg.Connection):
    async with tenant_scope(registrar, stage.world.tenant_id, actor="test"):
        for change in (
            "retired_at = now() - interval '1 year'",
            "key_sealed = ''",
            "public_key_hash = sha256('')",
            "oin = oin",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with registrar.transaction():
                    await registrar.execute(f"UPDATE registry.certificate SET {change}")  # noqa: S608
        with pytest.raises(asyncpg.CheckViolationError):
            async with registrar.transaction():
                await registrar.execute("UPDATE registry.certificate SET fingerprint = sha256('x')")
    for statement in (
        "UPDATE registry.certificate SET key_sealed = NULL",
        "SELECT chain_pem FROM registry.certificate",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stage.sealer.execute(statement)
