"""Facts of the registry become notices, each once whoever raises it, to the contacts that it is for."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tenants import agreements, blokkades, callers
from tenants.agreements import NewAgreement
from tenants.delivery.places import add_place
from tenants.notices.rows import raise_notice, untold
from tenants.notices.rules import Fact, notices_of
from tenants.scope import operator_scope, tenant_scope
from tests.notices.conftest import soon, told
from tests.trees.stage import seal, sign_all

DAY = timedelta(days=1)
DELIVERIES = """SELECT m.kind, c.kind AS contact, b.way, b.state FROM registry.bezorging b
  JOIN registry.melding m USING (tenant_id, melding_id) LEFT JOIN registry.contact c USING (tenant_id, contact_id)
  WHERE m.kind <> 'controlepunt_ontbreekt' ORDER BY 1, 2, 3"""


async def test_a_certificate_is_told_once_per_threshold_as_its_end_comes_nearer(raiser, sealer, admin, world, contact):
    await contact(world, "technisch")
    end = await admin.fetchval("SELECT not_after FROM registry.certificate")
    for left in (100, 89, 70, 59, 31, 29, 13, 6.5, 6, 0, -1):
        for _ in range(2):
            await raiser.raise_notices(sealer, end - timedelta(days=left))
    found = await told(admin, "certificaat")
    assert [row["threshold"] for row in found] == ["90", "60", "30", "14", "7", "einde"]
    assert {row["due_at"] for row in found} == {end}
    assert {row["object"] for row in found} == {str(world.certificate_id)}
    assert found[-1]["subject"] == f"Certificaat {world.certificate_id} van OIN {world.oin} is verlopen"


async def test_two_that_both_think_they_lead_raise_each_notice_once(raiser, sealer, connect, admin, world, contact):
    """The old leader's session is lost while it works, and it does not know yet."""
    await contact(world, "technisch")
    now = await admin.fetchval("SELECT not_after - interval '20 days' FROM registry.certificate")
    others = [await connect("sealer") for _ in range(4)]
    raised = await asyncio.gather(*(raiser.raise_notices(one, now) for one in (sealer, *others)))
    assert sum(raised) == 2  # the other: no place for checkpoints
    assert len(await told(admin, "certificaat")) == 1
    assert len(await admin.fetch(DELIVERIES)) == 2  # the contact and the operator


async def test_a_leader_that_dies_half_way_is_gone_on_with(raiser, sealer, connect, admin, world, other, contact):
    """Between two notices: what it raised stands, and the next leader raises the rest and nothing twice."""
    for one in (world, other):
        await contact(one, "technisch")
    now = await admin.fetchval("SELECT min(not_after) - interval '20 days' FROM registry.certificate")
    facts = [
        Fact(one.tenant_id, "postbus_ongezien", str(one.aansluiting_id), "x", now - 4 * DAY, now, {"nummer": 1, "afnemer": "9", "omgeving": "p"})
        for one in (world, other)
    ]  # fmt: skip
    notices = notices_of(facts, now)
    assert await raise_notice(sealer, notices[0], reachable=True)
    await sealer.close()
    successor = await connect("sealer")
    assert await untold(successor, notices) == notices[1:]
    assert [await raise_notice(successor, one, reachable=True) for one in notices] == [False, True]
    assert len(await told(admin, "postbus_ongezien")) == 2


async def test_whom_a_notice_is_for_gets_it_and_failing_that_whom_there_is_and_failing_that_the_operator(
    raiser, sealer, admin, world, other, contact
):
    await contact(world, "technisch")
    await contact(world, "nood", webhook_url="https://nood.example/hook", webhook_key="0" * 8)
    await contact(other, "fg")
    now = await admin.fetchval("SELECT max(not_after) - interval '20 days' FROM registry.certificate")
    await admin.execute("UPDATE registry.credential SET secret_valid_until = $1", now + 3 * DAY)
    await raiser.raise_notices(sealer, now)
    by_tenant = {
        one.tenant_id: sorted(
            (row["kind"], row["contact"], row["way"])
            for row in await admin.fetch(DELIVERIES.replace("ORDER", f"AND m.tenant_id = {one.tenant_id} ORDER"))
            if row["kind"] == "geheim"
        )
        for one in (world, other)
    }
    assert by_tenant == {
        world.tenant_id: [("geheim", "nood", "mail"), ("geheim", "nood", "webhook"), ("geheim", "technisch", "mail")],
        other.tenant_id: [("geheim", "fg", "mail")],
    }


async def test_without_any_contact_the_operator_hears_of_it_if_it_has_an_address(raiser, sealer, admin, world):
    now = soon()
    await admin.execute("UPDATE registry.credential SET secret_valid_until = $1", now + 3 * DAY)
    raiser.reachable = False
    await raiser.raise_notices(sealer, now)
    assert await admin.fetch(DELIVERIES) == []
    await admin.execute("UPDATE registry.credential SET secret_valid_until = $1", now + 4 * DAY)
    raiser.reachable = True
    await raiser.raise_notices(sealer, now)
    assert [(row["kind"], row["contact"]) for row in await admin.fetch(DELIVERIES)] == [("geheim", None)]
    assert len(await told(admin, "geheim")) == 2


async def test_a_block_and_its_release_are_told_to_everybody_it_concerns_and_to_nobody_else(
    raiser, sealer, registrar, admin, world, other, contact
):
    for kind in ("technisch", "fg", "nood"):
        await contact(world, kind)
    async with operator_scope(registrar, actor="operator/1"):
        await blokkades.block(registrar, "afnemer", world.afnemer_id, reason="Incident 7", actor="operator/1")
    await raiser.raise_notices(sealer, soon())
    async with operator_scope(registrar, actor="operator/1"):
        await blokkades.release(registrar, "afnemer", world.afnemer_id, reason="Voorbij", actor="operator/1")
        await blokkades.block(
            registrar, "taaksysteem", f"{other.tenant_id}/{other.taaksysteem_id}", reason="x", actor="operator/1"
        )
    for _ in range(2):
        await raiser.raise_notices(sealer, soon())
    found = await told(admin)
    assert sorted((row["tenant_id"], row["kind"]) for row in found) == [
        (world.tenant_id, "blokkade"), (world.tenant_id, "blokkade_opgeheven"), (other.tenant_id, "blokkade"),
    ]  # fmt: skip
    assert found[0]["subject"] == f"Blokkade van AfnemerID {world.afnemer_id}"
    assert "Incident" not in found[0]["words"]
    sent = [row["contact"] for row in await admin.fetch(DELIVERIES) if row["kind"] == "blokkade_opgeheven"]
    assert sent == ["fg", "nood", "technisch", None]


async def test_what_rvig_refuses_is_told_and_that_it_is_over_too(raiser, sealer, connect, admin, world, contact):
    await contact(world, "nood")
    gateway = await connect("gateway")
    refused = (world.tenant_id, world.aansluiting_id, world.credential_id, world.fingerprint)
    await gateway.fetchval(
        "SELECT registry.note_rvig_stand($1, $2, $3, $4, 'accountGeblokkeerd', 'token', 401::smallint, 'AUTH-F002')", *refused
    )  # fmt: skip
    await raiser.raise_notices(sealer, soon())
    await raiser.raise_notices(sealer, soon(hours=25))
    assert await gateway.fetchval("SELECT registry.release_rvig_stand($1, $2, $3, $4)", *refused)
    for _ in range(2):
        await raiser.raise_notices(sealer, soon())
    found = [row for row in await told(admin) if row["kind"].startswith("rvig")]
    assert [(row["kind"], row["threshold"]) for row in found] == [
        ("rvig_weigert", ""), ("rvig_weigert", "dag"), ("rvig_hersteld", ""),
    ]  # fmt: skip
    assert "AUTH-F002" in found[0]["words"]


async def test_post_that_waits_is_told_and_a_mailbox_that_nobody_looks_into_too(raiser, sealer, connect, admin, world):
    gateway = await connect("gateway")

    async def count(waiting: int, oldest: datetime | None = None) -> None:
        await gateway.fetchval(
            "SELECT registry.note_postbus($1, $2, $3, $4)", world.tenant_id, world.aansluiting_id, waiting, oldest
        )

    for waiting in (3, 0, 5, 4):
        await count(waiting)
    await raiser.raise_notices(sealer, soon())
    assert await told(admin) == []
    await raiser.raise_notices(sealer, soon(days=2))
    (post,) = await told(admin)
    assert (post["kind"], "4 berichten" in post["words"]) == ("post_wacht", True)
    # A list that says since when goes before what was counted here: this is other post, and it waits for long already.
    await count(2, soon(days=-5))
    await raiser.raise_notices(sealer, soon())
    assert [(row["kind"], row["threshold"]) for row in await told(admin)] == [("post_wacht", "2"), ("post_wacht", "5")]
    await count(0)
    await raiser.raise_notices(sealer, soon(days=3.1))
    assert [row["kind"] for row in await told(admin)] == ["post_wacht", "post_wacht", "postbus_ongezien"]


async def test_an_agreement_that_was_renewed_is_not_told_and_another_end_is_another_notice(
    raiser, sealer, registrar, admin, world
):
    now = soon()
    today = now.date()

    async def sign(signed, until) -> int:
        async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
            return await agreements.add_agreement(
                registrar, world.tenant_id, NewAgreement("contract", "Leverancier B.V.", signed, until)
            )

    first = await sign(today - 300 * DAY, today + 10 * DAY)
    await raiser.raise_notices(sealer, now)
    assert [(row["object"], row["threshold"]) for row in await told(admin, "overeenkomst")] == [(str(first), "14")]
    await admin.execute("UPDATE registry.agreement SET valid_until = $1", today + 12 * DAY)
    await raiser.raise_notices(sealer, now)
    assert len(await told(admin, "overeenkomst")) == 2
    await sign(today, today + 400 * DAY)
    await raiser.raise_notices(sealer, now + 8 * DAY)
    assert len(await told(admin, "overeenkomst")) == 2


async def test_a_mandate_that_ends_is_told_to_both_sides(raiser, sealer, registrar, admin, world, other):
    now = soon()
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        await callers.create_mandate(
            registrar, world.tenant_id, to_tenant_id=other.tenant_id, reason="Samenwerking", valid_until=now + 5 * DAY
        )
    await raiser.raise_notices(sealer, now)
    assert {row["tenant_id"] for row in await told(admin, "mandaat")} == {world.tenant_id, other.tenant_id}


async def test_a_voorstel_is_told_when_it_is_made_and_a_week_before_it_lapses_and_when_it_is_decided_on(
    raiser, sealer, registrar, admin, world, contact
):
    await contact(world, "fg")
    async with tenant_scope(registrar, world.tenant_id, actor="operator/1"):
        number = await registrar.fetchval(
            "INSERT INTO registry.voorstel (tenant_id, accepts, route, method, path, proposed_by) "
            "VALUES ($1, 'beheerder', 'x', 'POST', '/v1/x', '') RETURNING voorstel_id",
            world.tenant_id,
        )
    for days in (0, 10, 24, 25):
        await raiser.raise_notices(sealer, soon(days=days))
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/9"):
        await registrar.execute("UPDATE registry.voorstel SET state = 'aanvaard' WHERE voorstel_id = $1", number)
    await raiser.raise_notices(sealer, soon())
    found = [row for row in await told(admin) if row["kind"].startswith("voorstel")]
    assert [(row["kind"], row["threshold"]) for row in found] == [
        ("voorstel", ""), ("voorstel", "7"), ("voorstel_besloten", ""),
    ]  # fmt: skip
    assert found[2]["subject"] == f"Voorstel {number} is aanvaard"
    assert {row["contact"] for row in await admin.fetch(DELIVERIES) if row["kind"] == "voorstel_besloten"} == {"fg"}


async def test_delegated_beheer_is_told_to_the_fg_when_it_is_given_and_when_it_ends(
    raiser, sealer, registrar, admin, world, contact
):
    await contact(world, "fg")
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/9"):
        await registrar.execute(
            "INSERT INTO registry.beheermandaat (tenant_id, reason, given_by, valid_until) VALUES ($1, 'Storing', '', now() + interval '1 year')",
            world.tenant_id,
        )
    await raiser.raise_notices(sealer, soon())
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/9"):
        await registrar.execute("UPDATE registry.beheermandaat SET withdrawn_at = now()")
    await raiser.raise_notices(sealer, soon())
    assert [row["subject"] for row in await told(admin)] == [
        "Beheer gegeven aan de operator", "Beheer door de operator beëindigd",
    ]  # fmt: skip


async def test_calls_without_closing_are_told_once_a_day_with_how_many(raiser, sealer, writer, admin, world):
    for _ in range(3):
        await writer.open(world)
    for _ in range(2):
        await raiser.raise_notices(sealer, soon())
    (found,) = await told(admin, "uitkomst_onbekend")
    assert found["words"].startswith("Van 3 bevragingen (productie)")


async def test_readings_far_above_the_usual_are_told_to_the_fg(raiser, sealer, admin, world, contact):
    await contact(world, "fg")
    await admin.execute(
        "INSERT INTO register.reading (tenant_id, at, actor, reason, kind, contents) "
        "SELECT $1, now() - CASE WHEN n > 4 THEN interval '1 minute' ELSE n * interval '2 days' END, 'auditor/1', 'Controle', 'zoekvraag', false "
        "FROM generate_series(1, 34) n",
        world.tenant_id,
    )
    await raiser.raise_notices(sealer, soon())
    (found,) = await told(admin, "lezingen")
    assert "30 keer gelezen; gewoon is 1 keer per dag" in found["words"]
    # Looked at by the hour only.
    assert raiser.looked_at is not None


async def test_an_ended_tenant_and_what_is_long_over_are_left_in_peace(raiser, sealer, admin, world):
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() - interval '1 year'")
    await raiser.raise_notices(sealer, soon())
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() + interval '1 day'")
    await admin.execute("UPDATE registry.tenant SET state = 'ended'")
    await raiser.raise_notices(sealer, soon())
    assert await told(admin) == []


async def test_a_register_that_is_kept_too_long_is_told(raiser, sealer, admin, world):
    await admin.execute(
        "INSERT INTO register.reading (tenant_id, at, actor, reason, kind, contents) "
        "VALUES ($1, now() - interval '6 years', 'auditor/1', 'Controle', 'zoekvraag', false)",
        world.tenant_id,
    )
    await raiser.raise_notices(sealer, soon())
    (found,) = await told(admin, "vernietiging_te_laat")
    assert "1 maanden of sleutels" in found["words"]


async def test_what_the_sealer_may_not_it_cannot(sealer, world, contact):
    await contact(world, "fg")
    for statement in (
        "SELECT * FROM registry.contact",
        "SELECT subject FROM registry.melding",
        "SELECT * FROM registry.bezorging",
        "DELETE FROM registry.melding",
        "UPDATE registry.melding SET words = ''",
        "INSERT INTO registry.melding (tenant_id, kind, object, occasion, threshold, subject, words) VALUES (1, 'x', '', '', '', '', '')",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await sealer.execute(statement)


async def test_a_tenant_sees_its_own_contacts_meldingen_and_deliveries_only(
    raiser, sealer, registrar, admin, world, other, contact
):
    await contact(world, "fg")
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() + interval '1 day'")
    await raiser.raise_notices(sealer, soon())
    for one, count in ((world, 1), (other, 0)):
        async with tenant_scope(registrar, one.tenant_id, actor="auditor/1"):
            assert await registrar.fetchval("SELECT count(*) FROM registry.contact") == count
            seen = await registrar.fetch("SELECT DISTINCT tenant_id FROM registry.melding")
            assert [row["tenant_id"] for row in seen] == [one.tenant_id]
            with pytest.raises(Exception, match="permission denied"):
                await registrar.execute("UPDATE registry.melding SET words = 'x'")


async def test_productie_without_a_place_for_checkpoints_is_told_each_month_until_there_is_one(
    raiser, sealer, registrar, admin, world
):
    for days in (0, 0, 40):
        await raiser.raise_notices(sealer, soon(days=days))
    assert len(await told(admin, "controlepunt_ontbreekt")) == 2
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        await add_place(registrar, world.tenant_id, "email", "fg@gemeente.example")
    await raiser.raise_notices(sealer, soon(days=80))
    assert len(await told(admin, "controlepunt_ontbreekt")) == 2


async def test_a_place_that_lacks_checkpoints_is_told_and_again_after_a_day(
    raiser, sealer, registrar, admin, world, calls, signer, contact
):
    await contact(world, "fg")
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        number = await add_place(registrar, world.tenant_id, "email", "fg@gemeente.example", every_seconds=3600)
    await calls.record(world, 2)
    await seal(sealer)
    await sign_all(sealer, signer)
    await raiser.raise_notices(sealer, soon(minutes=64))
    assert await told(admin, "controlepunt_te_laat") == []
    for hours in (1.2, 3, 24, 26, 27):
        await raiser.raise_notices(sealer, soon(hours=hours))
    found = await told(admin, "controlepunt_te_laat")
    assert [(row["object"], row["threshold"]) for row in found] == [(str(number), ""), (str(number), "dag")]
