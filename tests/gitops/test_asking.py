"""What a document asks of tenants, and when: their signature, their exceptions, and the states of their aansluitingen."""

from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from tenants.aansluiting_changes import STEPS
from tenants.admins import Admin
from tenants.api.configuratie import breng_configuratie
from tenants.api.problems import Refused
from tenants.api.routing import Asked
from tenants.faults import InputRefused
from tenants.gitops.bringing import Brought
from tenants.keyring import dump
from tenants.onboarding_document import read_document
from tenants.onboarding_held import HeldPart
from tenants.onboarding_pairing import pair
from tenants.onboarding_shapes import Planstap
from tenants.scope import tenant_scope
from tests.databases import Database
from tests.gitops.test_gitops import IDENTITY, OIN, PKI, REGISTER, accept, brought, connection, directory, document

__all__ = ["connection", "directory", "document"]
HOLDER, FUND = "00000003012345678000", "00000001003333333000"
LATER = "2099-01-01T00:00:00+00:00"


def gemeente(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["tenants"][0]
    return found


def why(done: Brought, oin: str = OIN) -> dict[str, str]:
    return {one.what: one.why for one in done.waiting if one.tenant_oin == oin}


async def state(connection: asyncpg.Connection, tenant_id: int) -> dict[tuple[str, str], str]:
    async with tenant_scope(connection, tenant_id, actor="test"):
        rows = await connection.fetch("SELECT afnemer_id, environment, state FROM registry.aansluiting")
    return {(row["afnemer_id"], row["environment"]): row["state"] for row in rows}


async def test_what_is_missing_for_productie_is_told_of_every_aansluiting_at_once_and_the_rest_is_done(
    connection, document, directory
):
    one = gemeente(document)
    one["afnemers"].append({"afnemer_id": "990002", "gemeentecode": "0002"})
    one["credentials"].append({**one["credentials"][0], "name": "tweede", "afnemer_id": "990002"})
    one["aansluitingen"].append(
        {**one["aansluitingen"][0], "afnemer_id": "990002", "credential": "tweede", "steps": []}
    )
    del one["aansluitingen"][0]["steps"][1], one["contacts"][0]
    done = await brought(connection, document, directory)
    told = why(done)
    first = told["aansluiting standaard of 990001 in productie"]
    second = told["aansluiting standaard of 990002 in productie"]
    for words in (first, second):
        assert "proefomgeving getest" in words
        assert "contact voor noodgevallen" in words
    assert "aan RvIG gestuurd" in second
    assert "aan RvIG gestuurd" not in first
    assert await state(connection, done.outcome.tenants[OIN]) == {
        ("990001", "productie"): "concept", ("990002", "productie"): "concept",
    }  # fmt: skip
    # What was said of the first is asked, without the move.
    (held,) = (it.held for it in done.proposed if it.tenant_oin == OIN)
    assert [(it.afnemer_id, it.state, len(it.steps)) for it in held.aansluitingen] == [("990001", None, 2)]
    # Half of it is accepted; then the missing steps are written down, and the move is asked and made.
    await accept(connection, done.outcome.tenants[OIN], done.proposed[0].number)
    one["contacts"].append({"kind": "technisch", "name": "Beheer", "webhook": "https://alarm.example/in"})
    for it in one["aansluitingen"]:
        it["steps"] = [
            {"step": step, "day": "2026-01-06"}
            for step in ("certificaat_naar_rvig", "proef_getest", "productie_akkoord")
        ]
    later = await brought(connection, document, directory)
    (asked,) = (it for it in later.proposed if it.tenant_oin == OIN)
    assert {it.state for it in asked.held.aansluitingen} == {"productie"}
    answer = await accept(connection, later.outcome.tenants[OIN], asked.number)
    assert answer.shows_secret
    assert set((await state(connection, later.outcome.tenants[OIN])).values()) == {"productie"}
    assert OIN not in {it.tenant_oin for it in (await brought(connection, document, directory)).proposed}


async def test_what_a_tenant_signs_and_whom_it_wants_told_is_asked_and_not_done(connection, document, directory):
    one = gemeente(document)
    one["agreements"] = [{"kind": "contract", "party": "Koppelpunt BV", "signed_on": "2026-01-05"}]
    one["certificate_lendings"] = [{"to": HOLDER, "reason": "Gezamenlijk"}]
    places = one["checkpoint_destinations"] = [{"kind": "email", "target": "fg@voorbeeld.example"}]
    done = await brought(connection, document, directory)
    held = {"agreement", "certificate_lending", "contact", "checkpoint_destination", "aansluiting_stap"}
    assert not {it.object for it in done.changes} & held
    (asked,) = (it for it in done.proposed if it.tenant_oin == OIN)
    assert [(it.kind, it.target) for it in asked.held.checkpoint_destinations] == [("email", "fg@voorbeeld.example")]
    assert (len(asked.held.agreements), len(asked.held.certificate_lendings), len(asked.held.contacts)) == (1, 1, 3)
    tenant_id = done.outcome.tenants[OIN]
    await accept(connection, tenant_id, asked.number)
    async with tenant_scope(connection, tenant_id, actor="test"):
        for table, count in (
            ("agreement", 1),
            ("checkpoint_destination", 1),
            ("certificate_lending", 1),
            ("contact", 3),
            ("aansluiting_stap", 3),
        ):
            assert await connection.fetchval(f"SELECT count(*) FROM registry.{table}") == count  # noqa: S608
        actors = await connection.fetch("SELECT DISTINCT actor FROM registry.wijziging WHERE object = 'agreement'")
    assert [row["actor"] for row in actors] == [f"beheerder/7 (voorstel {asked.number} van opdrachtregel)"]
    # Elsewhere, or less often, is asked too; where they went they still go.
    places[0]["every_seconds"] = 604_800
    places.append({"kind": "email", "target": "iemand@elders.example"})
    (more,) = (it for it in (await brought(connection, document, directory)).proposed if it.tenant_oin == OIN)
    assert len(more.held.checkpoint_destinations) == 2
    async with tenant_scope(connection, tenant_id, actor="test"):
        rows = await connection.fetch("SELECT target, every_seconds FROM registry.checkpoint_destination")
    assert [tuple(row) for row in rows] == [("fg@voorbeeld.example", 86_400)]


@pytest.fixture
def borrowing(directory: Path) -> dict[str, Any]:
    """A fund whose aansluiting in proef leaves with the certificate of its leverancier, by an exception."""
    PKI.issue_client(HOLDER, "Leverancier BV").save(directory, "leverancier")
    return {
        "tenants": [
            {
                "oin": FUND, "name": "Fonds", "kind": "derde", "afnemers": [{"afnemer_id": "995001"}],
                "agreements": [
                    {"kind": kind, "party": "Leverancier BV", "signed_on": "2026-01-05"}
                    for kind in ("contract", "verwerkersovereenkomst")
                ],
                "certificate_exceptions": [
                    {"afnemer_id": "995001", "holder": HOLDER, "reason": "Overgang", "article": "brief, par. 2", "valid_until": LATER}
                ],
                "credentials": [
                    {"name": "p", "afnemer_id": "995001", "environment": "proef", "client_id": "c", "secret": "file:secret"}
                ],
                "aansluitingen": [
                    {"afnemer_id": "995001", "environment": "proef", "pattern": "saas", "state": "proef", "credential": "p",
                     "certificate": "c", "certificate_of": HOLDER}
                ],
            },
            {
                "oin": HOLDER, "name": "Leverancier BV", "kind": "leverancier",
                "certificates": [{"name": "c", "chain": "leverancier.pem", "key": "file:leverancier.key"}],
                "certificate_lendings": [{"to": FUND, "reason": "Contract 7"}],
            },
        ]
    }  # fmt: skip


async def test_an_exception_is_asked_of_the_beheerder_and_granted_by_an_auditor(connection, borrowing, directory):
    first = await brought(connection, borrowing, directory)
    fund, holder = first.outcome.tenants[FUND], first.outcome.tenants[HOLDER]
    assert "lends no certificate yet" in why(first, FUND)[f"exception of 995001 for a certificate of {HOLDER}"]
    assert "geen certificaat" in why(first, FUND)["aansluiting saas of 995001 in proef"]
    for one in first.proposed:
        await accept(connection, first.outcome.tenants[one.tenant_oin], one.number)
    second = await brought(connection, borrowing, directory)
    (asked,) = second.proposed
    assert asked.exception is not None
    # By accepting the beheerder asks; nothing stands until the auditor grants it, and applying meanwhile asks nothing twice.
    answer: Any = (await accept(connection, fund, asked.number)).body
    assert answer.antwoord["aanvaarder"] == "auditor"
    third = await brought(connection, borrowing, directory)
    (waits,) = third.proposed
    assert (waits.number, waits.already) == (answer.antwoord["voorstel"], True)
    assert await state(connection, fund) == {("995001", "proef"): "concept"}
    await accept(connection, fund, waits.number, "auditor")
    last = await brought(connection, borrowing, directory)
    assert (last.proposed, last.waiting) == ((), ())
    assert await state(connection, fund) == {("995001", "proef"): "proef"}
    assert (await brought(connection, borrowing, directory)).nothing
    async with tenant_scope(connection, fund, actor="test"):
        granted = await connection.fetchval("SELECT granted_by FROM registry.certificate_exception")
        holders = await connection.fetchval("SELECT holder_tenant_id FROM registry.aansluiting")
    assert (granted.split(" ")[0], holders) == ("auditor/8", holder)


async def test_another_wish_for_an_exception_takes_back_the_one_that_waits(connection, borrowing, directory):
    first = await brought(connection, borrowing, directory)
    for one in first.proposed:
        await accept(connection, first.outcome.tenants[one.tenant_oin], one.number)
    (asked,) = (await brought(connection, borrowing, directory)).proposed
    borrowing["tenants"][0]["certificate_exceptions"][0]["reason"] = "Toch iets anders"
    (other,) = (await brought(connection, borrowing, directory)).proposed
    assert other.number != asked.number
    async with tenant_scope(connection, first.outcome.tenants[FUND], actor="test"):
        states = dict(
            await connection.fetch("SELECT voorstel_id, state FROM registry.voorstel WHERE route = 'maakUitzondering'")
        )
    assert states == {asked.number: "ingetrokken", other.number: "open"}


async def test_another_term_of_what_stands_is_told_and_not_passed_over(connection, document, directory):
    for _ in range(2):
        done = await brought(connection, document, directory)
        for one in done.proposed:
            await accept(connection, done.outcome.tenants[one.tenant_oin], one.number)
    mandate = gemeente(document)["mandates"][0]
    mandate |= {"reason": "SaaS volgens overeenkomst 13", "valid_until": LATER}
    seen = await brought(connection, document, directory, keep=False)
    assert not seen.nothing
    assert why(seen)[f"mandate to {HOLDER}"].startswith("It stands with another reason and another end.")


async def test_a_stop_is_done_at_once_and_the_way_back_is_asked(connection, document, directory):
    for _ in range(3):
        done = await brought(connection, document, directory)
        for one in done.proposed:
            await accept(connection, done.outcome.tenants[one.tenant_oin], one.number)
    tenant_id, aansluiting = done.outcome.tenants[OIN], gemeente(document)["aansluitingen"][0]
    aansluiting["state"] = "geblokkeerd"
    await brought(connection, document, directory)
    assert await state(connection, tenant_id) == {("990001", "productie"): "geblokkeerd"}
    aansluiting["state"] = "productie"
    done = await brought(connection, document, directory)
    assert await state(connection, tenant_id) == {("990001", "productie"): "geblokkeerd"}
    (asked,) = (it for it in done.proposed if it.tenant_oin == OIN)
    assert [it.state for it in asked.held.aansluitingen] == ["productie"]
    aansluiting["state"] = "concept"
    done = await brought(connection, document, directory)
    assert why(done)["aansluiting standaard of 990001 in productie"] == "Na toestand geblokkeerd komt geen concept."


async def test_a_step_of_a_day_to_come_is_a_fault_and_nothing_is_done(connection, document, directory):
    gemeente(document)["aansluitingen"][0]["steps"][0]["day"] = "2190-01-01"
    with pytest.raises(InputRefused, match="certificaat_naar_rvig: a step is taken on a day that has been"):
        await brought(connection, document, directory)
    assert await connection.fetchval("SELECT count(*) FROM registry.tenant") == 0


def restore(directory: Path, database: Database, reason: str, *more: str) -> Any:
    (directory / "identity").write_text(dump(IDENTITY))
    (directory / "register").write_text(dump(REGISTER))
    options = ["--identity-public", str(directory / "identity"), "--register-public", str(directory / "register")]
    words = ["registry", "import", str(directory / "whole.yaml"), "--restore", reason, *more]
    return CliRunner().invoke(main, [*words, "--database-url", database.url("tenants"), *options])


async def histories(database: Database) -> set[str]:
    admin = await asyncpg.connect(database.url("admin"))
    try:
        return {row["actor"] for row in await admin.fetch("SELECT DISTINCT actor FROM registry.wijziging")}
    finally:
        await admin.close()


def test_a_restore_is_for_an_empty_registry_and_stands_in_the_history(
    document: dict[str, Any], directory: Path, database: Database
) -> None:
    import asyncio  # noqa: PLC0415 - the commands make loops of their own

    import yaml  # noqa: PLC0415

    (directory / "whole.yaml").write_text(yaml.safe_dump(document))
    for reason, words in (("", "say why"), ("voor 999990019", "burgerservicenummer"), ("a\nb", "one line")):
        refused = restore(directory, database, reason)
        assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr
    done = restore(directory, database, "na uitval van 3 maart")
    assert done.exit_code == 0, done.output
    assert "2 machtiging" in done.stdout
    assert asyncio.run(histories(database)) == {"opdrachtregel (herstel: na uitval van 3 maart)"}
    other = {"oin": "00000001009999999000", "name": "Een ander", "kind": "leverancier"}
    (directory / "whole.yaml").write_text(yaml.safe_dump({"tenants": [other]}))
    again = restore(directory, database, "nog eens")
    assert (again.exit_code, "for an empty registry" in again.stderr) == (2, True), again.stderr


async def test_what_is_too_large_for_one_voorstel_is_asked_in_several(connection, document, directory):
    one = gemeente(document)
    first = one["machtigingen"][0]
    one["machtigingen"] = [
        {**first, "doelbinding": f"{'lang ' * 80}{number}", "ontvanger": "afdeling " * 50} for number in range(130)
    ]
    rounds = []
    for _ in range(6):
        done = await brought(connection, document, directory)
        rounds.append(
            [(len(it.held.machtigingen), len(it.held.aansluitingen)) for it in done.proposed if it.tenant_oin == OIN]
        )
        if done.nothing:
            break
        assert {it.why for it in done.waiting if "machtigingen" in it.what} <= {"It follows on the voorstel before it."}
        for it in done.proposed:
            await accept(connection, done.outcome.tenants[it.tenant_oin], it.number)
    assert done.nothing
    assert sum(count for numbers in rounds for count, _ in numbers) == 130
    assert len(rounds[0]) + len(rounds[1]) > 1
    assert set((await state(connection, done.outcome.tenants[OIN])).values()) == {"productie"}


def test_of_several_with_one_name_each_finds_its_own_row() -> None:
    found = pair(
        ["b", "a", "c", "d"],
        [1, 2, 3],
        name_of=lambda _: "one name",
        name_of_known=lambda _: "one name",
        is_same=lambda part, row: (part, row) in {("a", 1), ("c", 2)},
    )
    assert found == [("b", 3), ("a", 1), ("c", 2), ("d", None)]


async def test_who_administers_by_a_mandate_gives_and_lends_nothing_by_a_document_either(
    connection, document, directory
):
    done = await brought(connection, document, directory)
    tenant_id = done.outcome.tenants[OIN]
    admin = Admin(3, "beheerder", 99).for_tenant(tenant_id, 1)
    for body in (
        HeldPart.model_validate({"mandates": [{"to": HOLDER, "reason": "Zichzelf"}]}),
        HeldPart.model_validate({"certificate_lendings": [{"to": HOLDER, "reason": "Zichzelf"}]}),
    ):
        nothing: Any = None
        asked = Asked(nothing, admin, {}, None, body, tenant_id, actor=admin.actor, connection=connection)
        with pytest.raises(Refused) as told:
            await breng_configuratie(asked)
        assert told.value.code == "nietVanDezeTenant"
    async with tenant_scope(connection, tenant_id, actor="test"):
        assert await connection.fetchval("SELECT count(*) FROM registry.mandate") == 0


@pytest.mark.parametrize(
    "url", ["https://idp.example/x?y", "https://naam:geheim@idp.example", "https://idp.example/#x", "https://:1"]
)
def test_an_address_that_the_api_refuses_a_document_may_not_have_either(document: dict[str, Any], url: str) -> None:
    for name in ("issuer", "jwks_url"):
        idp = {
            "name": "idp",
            "issuer": "https://idp.example",
            "jwks_url": "https://idp.example/jwks",
            "audience": "x",
            name: url,
        }
        gemeente(document)["idps"] = [idp]
        with pytest.raises(InputRefused) as told:
            read_document(document)
        assert told.value.faults[0].startswith(f"tenants.0.idps.0.{name}")
        assert url not in str(told.value)


def test_the_steps_of_a_document_are_those_that_a_beheerder_ticks() -> None:
    assert set(get_args(Planstap)) == set(STEPS)
