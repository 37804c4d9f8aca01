"""The certificate rule in the database: another's certificate leaves only by an exception, and the record says whose it was."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from gateway.registry_rows import read_parts
from tenants import agreements, callers, changes, registry
from tenants.agreements import NewAgreement, NewException
from tenants.faults import InputRefused, NotFound
from tenants.keyring import public_half
from tenants.scope import operator_scope, tenant_scope
from tests.db.calls import Writer
from tests.patterns.conftest import HOLDER, OWN, Customer, Vendor
from tests.worlds import World, machtiging

SOON = timedelta(days=200)


def exception(vendor: Vendor, lending_id: int, **changes) -> NewException:
    made = NewException(
        "995001", (vendor.tenant_id, lending_id), HOLDER, "Overgang naar een eigen certificaat", "brochure, saas",
        "FG", datetime.now(UTC) + SOON,
    )  # fmt: skip
    return replace(made, **changes)


@dataclass(frozen=True, slots=True)
class Borrowed:
    """The customer's aansluiting over the vendor's certificate, with a taaksysteem that may call over it."""

    world: World
    exception_id: int
    lending_id: int


@pytest.fixture
async def borrowed(connection, vendor: Vendor, customer: Customer, gemeente, keyrings) -> Borrowed:
    today = datetime.now(UTC).date()
    async with tenant_scope(connection, vendor.tenant_id, actor="test"):
        lending_id = await agreements.lend_certificates(
            connection, vendor.tenant_id, to_tenant_id=customer.tenant_id, reason="Contract 7"
        )
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        for kind in ("contract", "verwerkersovereenkomst"):
            await agreements.add_agreement(
                connection, customer.tenant_id, NewAgreement(kind, "Leverancier B.V.", today)
            )
        exception_id = await agreements.grant_exception(connection, customer.tenant_id, exception(vendor, lending_id))
        made = registry.NewAansluiting(
            "995001", OWN, "productie", vendor.certificate_id, customer.credential_id, "saas", exception_id=exception_id
        )
        (aansluiting_id,) = await registry.create_aansluitingen(connection, customer.tenant_id, [made])
        await changes.set_aansluiting_state(connection, customer.tenant_id, aansluiting_id, "productie")
        taaksysteem_id = await callers.create_taaksysteem(
            connection, customer.tenant_id, name="Pensioenen", environment="productie"
        )
        key_id, key = await callers.issue_api_key(
            connection, customer.tenant_id, public_half(keyrings.identity), taaksysteem_id
        )
        machtiging_id = await callers.create_machtiging(
            connection, customer.tenant_id, machtiging(aansluiting_id, (customer.tenant_id, taaksysteem_id))
        )
    world = World(
        customer.tenant_id, OWN, "995001", "productie", gemeente.issued, vendor.fingerprint, vendor.certificate_id,
        customer.credential_id, aansluiting_id, taaksysteem_id, key_id, key, machtiging_id,
    )  # fmt: skip
    return Borrowed(world, exception_id, lending_id)


async def verdict_of(writer: Writer, borrowed: Borrowed, version: int = 2) -> str | None:
    answer, _ = await writer.open(borrowed.world, aansluiting_version=version)
    return answer.verdict


async def test_a_call_by_exception_is_recorded_with_the_certificate_that_it_left_with(writer, borrowed, database):
    assert await verdict_of(writer, borrowed) is None
    admin = await asyncpg.connect(database.url("admin"))
    kept = await admin.fetchrow(
        "SELECT tenant_id, organisation_oin, certificate_oin, fingerprint FROM register.opening"
    )
    await admin.close()
    assert tuple(kept) == (borrowed.world.tenant_id, OWN, HOLDER, borrowed.world.fingerprint)


async def test_the_gateway_reads_the_holders_certificate_and_the_facts_of_the_exception(gateway, borrowed, vendor):
    async with gateway.transaction():
        part = (await read_parts(gateway, [borrowed.world.tenant_id]))[borrowed.world.tenant_id]
    (aansluiting,) = part.aansluitingen
    assert (aansluiting.certificate.tenant_id, aansluiting.certificate.oin) == (vendor.tenant_id, HOLDER)
    assert aansluiting.certificate.fingerprint == vendor.fingerprint
    (facts,) = part.pattern_facts
    assert (facts.certificate_oin, facts.borrowed, facts.is_gemeente) == (HOLDER, True, False)
    assert facts.exception is not None
    assert (facts.exception.holder_kind, facts.exception.withdrawn) == ("leverancier", False)
    assert {one.kind for one in facts.agreements} == {"contract", "verwerkersovereenkomst"}
    assert len(facts.uses) == 1


ENDINGS = {
    "exception withdrawn": ("UPDATE registry.certificate_exception SET withdrawn_at = now()", "ingetrokken"),
    "lending withdrawn": ("UPDATE registry.certificate_lending SET withdrawn_at = now()", "ingetrokken"),
    "exception over": (
        "UPDATE registry.certificate_exception SET valid_from = now() - interval '2 d', valid_until = now()", "verlopen",
    ),
    "exception not begun": ("UPDATE registry.certificate_exception SET valid_from = now() + interval '1 d'", "verlopen"),
    "lending over": ("UPDATE registry.certificate_lending SET valid_until = now()", "verlopen"),
    "lending not begun": ("UPDATE registry.certificate_lending SET valid_from = now() + interval '1 d'", "verlopen"),
    "holder ended": ("UPDATE registry.tenant SET state = 'ended' WHERE kind = 'leverancier'", "ingetrokken"),
    "certificate revoked": (f"UPDATE registry.certificate SET state = 'revoked' WHERE oin = '{HOLDER}'", "ingetrokken"),  # noqa: S608
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
async def test_nothing_leaves_by_an_exception_that_does_not_stand(writer, borrowed, gemeente, database, name):
    query, verdict = ENDINGS[name]
    admin = await asyncpg.connect(database.url("admin"))
    await admin.execute(query)
    await admin.close()
    assert await verdict_of(writer, borrowed) == verdict
    assert (await writer.open(gemeente))[0].verdict is None


@pytest.mark.parametrize("kind", ["tenant", "oin", "certificate"])
async def test_a_block_of_the_holder_blocks_what_leaves_with_its_certificate(
    connection, writer, borrowed, vendor, kind
):
    value = {"tenant": str(vendor.tenant_id), "oin": HOLDER, "certificate": vendor.fingerprint.hex()}[kind]
    await connection.execute(
        "INSERT INTO registry.blokkade (kind, value, reason, blocked_by) VALUES ($1, $2, 'incident', 'test')",
        kind,
        value,
    )
    assert await verdict_of(writer, borrowed) == "geblokkeerd"


async def test_another_tenants_certificate_cannot_be_used_without_an_exception(connection, vendor, customer):
    made = registry.NewAansluiting("995001", OWN, "productie", vendor.certificate_id, customer.credential_id, "saas")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with tenant_scope(connection, customer.tenant_id, actor="test"):
            await registry.create_aansluitingen(connection, customer.tenant_id, [made])


async def test_an_exception_needs_a_lending_of_the_holder_to_this_tenant(connection, vendor, customer, gemeente):
    async with tenant_scope(connection, vendor.tenant_id, actor="test"):
        elsewhere = await agreements.lend_certificates(
            connection, vendor.tenant_id, to_tenant_id=gemeente.tenant_id, reason="voor een ander"
        )
    for lending_id in (elsewhere, 999_999):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with tenant_scope(connection, customer.tenant_id, actor="test"):
                await agreements.grant_exception(connection, customer.tenant_id, exception(vendor, lending_id))


async def test_a_tenant_cannot_lend_itself_what_is_anothers(connection, vendor, customer):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_scope(connection, customer.tenant_id, actor="test"):
            await agreements.lend_certificates(
                connection, vendor.tenant_id, to_tenant_id=customer.tenant_id, reason="dat mag niet"
            )


async def test_an_exception_is_for_the_oin_that_it_names_and_no_other_certificate(
    connection, borrowed, gemeente, vendor, customer
):
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with tenant_scope(connection, customer.tenant_id, actor="test"):
            await agreements.use_certificate(
                connection, customer.tenant_id, borrowed.world.aansluiting_id, gemeente.certificate_id,
                exception_id=borrowed.exception_id,
            )  # fmt: skip


async def test_a_gemeente_never_has_an_exception(connection, vendor, gemeente, database):
    async with tenant_scope(connection, vendor.tenant_id, actor="test"):
        lending_id = await agreements.lend_certificates(
            connection, vendor.tenant_id, to_tenant_id=gemeente.tenant_id, reason="dat helpt niet"
        )
    made = exception(vendor, lending_id, afnemer_id=gemeente.afnemer_id)
    with pytest.raises(InputRefused, match="own organisation"):
        async with tenant_scope(connection, gemeente.tenant_id, actor="test"):
            await agreements.grant_exception(connection, gemeente.tenant_id, made)
    # Nor past the code that says so: not even with a false word about what it is.
    admin = await asyncpg.connect(database.url("admin"))
    insert = (
        "INSERT INTO registry.certificate_exception (tenant_id, tenant_kind, afnemer_id, organisation_oin, afnemer_kind, "
        "holder_tenant_id, holder_oin, lending_id, reason, article, granted_by, valid_until) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'r', 'a', 'g', now() + interval '1 d')"
    )
    for tenant_kind, kind in (
        ("gemeente", "gemeente"),
        ("derde", "gemeente"),
        ("gemeente", "derde"),
        ("derde", "derde"),
    ):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)):
            await admin.execute(
                insert, gemeente.tenant_id, tenant_kind, gemeente.afnemer_id, gemeente.oin, kind, vendor.tenant_id,
                HOLDER, lending_id,
            )  # fmt: skip
    await admin.close()


async def test_who_has_an_exception_cannot_become_a_gemeente(connection, borrowed):
    for query in (
        "UPDATE registry.afnemer SET kind = 'gemeente', gemeentecode = '0518' WHERE tenant_id = $1",
        "UPDATE registry.tenant SET kind = 'gemeente' WHERE tenant_id = $1",
    ):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with tenant_scope(connection, borrowed.world.tenant_id, actor="test"):
                await connection.execute(query, borrowed.world.tenant_id)


@pytest.mark.parametrize("word", ["reason", "article", "granted_by"])
async def test_an_exception_without_its_reason_article_or_grantor_is_none(connection, vendor, customer, word):
    async with tenant_scope(connection, vendor.tenant_id, actor="test"):
        lending_id = await agreements.lend_certificates(
            connection, vendor.tenant_id, to_tenant_id=customer.tenant_id, reason="r"
        )
    with pytest.raises(asyncpg.CheckViolationError):
        async with tenant_scope(connection, customer.tenant_id, actor="test"):
            await agreements.grant_exception(
                connection, customer.tenant_id, exception(vendor, lending_id, **{word: " "})
            )


async def test_the_borrower_sees_the_lending_and_nothing_of_the_certificate(connection, borrowed, gemeente):
    async with tenant_scope(connection, borrowed.world.tenant_id, actor="test"):
        assert await connection.fetchval("SELECT count(*) FROM registry.certificate_lending") == 1
        assert await connection.fetchval("SELECT count(*) FROM registry.certificate") == 0
    async with tenant_scope(connection, gemeente.tenant_id, actor="test"):
        assert await connection.fetchval("SELECT count(*) FROM registry.certificate_lending") == 0
        assert await connection.fetchval("SELECT count(*) FROM registry.certificate_exception") == 0
        assert await connection.fetchval("SELECT count(*) FROM registry.agreement") == 0


async def test_borrowers_are_notified_when_the_holder_changes_its_certificate(connection, gateway, borrowed, vendor):
    noticed: list[str] = []
    await gateway.add_listener("koppelpunt_registry", lambda *notice: noticed.append(str(notice[3])))
    async with tenant_scope(connection, vendor.tenant_id, actor="test"):
        await changes.set_certificate_state(connection, vendor.tenant_id, vendor.certificate_id, "retiring")
    await gateway.fetch("SELECT 1")
    assert {str(vendor.tenant_id), str(borrowed.world.tenant_id)} <= set(noticed)


async def test_an_aansluiting_goes_back_to_a_certificate_of_its_own(connection, borrowed, pki, keyrings):
    issued = pki.issue_client(OWN, "Pensioenfonds")
    tenant_id = borrowed.world.tenant_id
    async with tenant_scope(connection, tenant_id, actor="test"):
        own = await registry.add_certificate(
            connection, tenant_id, public_half(keyrings.identity), organisation_oin=OWN, chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )  # fmt: skip
        await agreements.use_certificate(connection, tenant_id, borrowed.world.aansluiting_id, own)
        row = await connection.fetchrow(
            "SELECT certificate_id, exception_id, certificate_tenant_id, certificate_oin FROM registry.aansluiting"
        )
        assert tuple(row) == (own, None, tenant_id, OWN)
        with pytest.raises(NotFound):
            await agreements.use_certificate(
                connection, tenant_id, borrowed.world.aansluiting_id, own, exception_id=999_999
            )


async def test_installations_of_their_own_share_no_certificate(connection, gemeente, keyrings):
    tenant_id = gemeente.tenant_id
    async with tenant_scope(connection, tenant_id, actor="test"):
        credential_id = await registry.add_credential(
            connection, tenant_id, public_half(keyrings.identity), afnemer_id=gemeente.afnemer_id, environment="proef",
            client_id="p", secret="s",
        )  # fmt: skip
        proef = await registry.create_aansluiting(
            connection, tenant_id, afnemer_id=gemeente.afnemer_id, organisation_oin=gemeente.oin, environment="proef",
            certificate_id=gemeente.certificate_id, credential_id=credential_id,
        )  # fmt: skip
        await changes.set_aansluiting_state(connection, tenant_id, proef, "proef")
        await changes.set_aansluiting_state(connection, tenant_id, proef, "concept")
    async with operator_scope(connection, actor="test"):
        await agreements.set_installation(connection, "proef", "proefopstelling")
    with pytest.raises(InputRefused, match="certificaatGedeeldMetAndereInstallatie"):
        async with tenant_scope(connection, tenant_id, actor="test"):
            await changes.set_aansluiting_state(connection, tenant_id, proef, "proef")
