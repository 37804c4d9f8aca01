"""What the registry takes of a machtiging; and that what weakens the register is asked by one and granted by another."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from tenants.callers import NewMachtiging, create_machtigingen, grant_policy, withdraw_machtiging
from tenants.faults import InputRefused, NotFound
from tenants.onboarding_document import read_document
from tenants.rights import Policy, faults_of_conditions, faults_of_policy, faults_of_rights, read_terms
from tenants.scope import tenant_scope
from tests.worlds import World, machtiging

NOTE = Policy(protocol_note="no", protocol_note_article="Besluit BRP art. 42, eerste lid, onder a")
INZAGE = Policy(inzage="refused", inzage_article="Besluit BRP art. 46, onder b")
DERDEN = Policy(leave_out_geheimhouding=True)


@pytest.mark.parametrize(
    "rights",
    [
        {},
        {"personen": {"veld": ["naam"]}},
        {"personen": {"fields": []}},
        {"personen": {"fields": "naam"}},
        {"personen": {"fields": {"naam": True}}},
        {"personen": {"types": [5]}},
        {"personen": {"restrict": {}}},
        {"personen": {"restrict": {"gemeenteVanInschrijving": "0518"}}},
        {"personen": {"restrict": {"gemeenteVanInschrijving": []}}},
        {"personen": {"restrict": {"type": ["ZoekMetNaamEnGemeenteVanInschrijving"]}}},
        {"personen": {"restrict": ["gemeenteVanInschrijving"]}},
        {"personen": {"inclusiefOverledenPersonen": "nee"}},
        {"bewoningen": {"fields": ["bewoners"]}},
        {"verblijfplaatshistorie": {"fields": ["verblijfplaatsen"]}},
    ],
)
def test_rights_that_cannot_be_held_to_are_refused(rights: dict[str, Any]):
    assert len(faults_of_rights(rights)) == 1


@pytest.mark.parametrize(
    "conditions",
    [
        {"gebruiker": True},
        {"user": "ja"},
        {"roles": []},
        {"roles": "raadpleger"},
        {"rate": 0},
        {"rate": True},
        {"rate": float("inf")},
        {"daily_quota": 0},
        {"daily_quota": 2.5},
        {"daily_quota": True},
        {"hours": []},
        {"hours": [{"days": ["ma"], "from": "07:00"}]},
        {"hours": [{"days": ["monday"], "from": "07:00", "until": "19:00"}]},
        {"hours": [{"days": [], "from": "07:00", "until": "19:00"}]},
        {"hours": [{"days": ["ma"], "from": "19:00", "until": "07:00"}]},
        {"hours": [{"days": ["ma"], "from": "7:00", "until": "19:00"}]},
        {"hours": [{"days": ["ma"], "from": "07:00", "until": "25:00"}]},
        {"hours": [{"days": [["ma"]], "from": "07:00", "until": "19:00"}]},
    ],
)
def test_conditions_that_cannot_be_held_to_are_refused(conditions: dict[str, Any]):
    assert len(faults_of_conditions(conditions)) == 1


def test_what_a_gateway_cannot_read_gives_no_right():
    rights = {"personen": {"nieuw": ["x"]}, "bewoningen": {}}
    assert read_terms(rights, {}) == ({"bewoningen": read_terms({"bewoningen": {}}, {})[0]["bewoningen"]}, None)
    assert read_terms(rights, {"nieuw": True}) == ({}, None)


@pytest.mark.parametrize(
    ("grondslag", "is_taken"),
    [
        ("Wet BRP art. 3.9, verordening artikel 4", True),
        ("art. 3.3 Wet BRP", True),
        ("3.6", True),
        ("Wet BRP 3.5", False),
        ("Wet BRP 3.8, en 3.9 voor derden", False),
        ("Wet BRP 3.30", False),
        ("Wet BRP 13.9", False),
        ("", False),
    ],
)
def test_geheimhouding_is_left_out_only_of_disclosures_to_derden(grondslag: str, *, is_taken: bool):
    assert (list(faults_of_policy(DERDEN, {"personen": {}}, "gemeente", grondslag)) == []) is is_taken


def test_geheimhouding_cannot_be_left_out_of_post():
    (fault,) = faults_of_policy(DERDEN, {"berichten": {}, "personen": {}}, "gemeente", "Wet BRP 3.9")
    assert "'berichten'" in fault


@pytest.mark.parametrize(
    ("policy", "kind", "is_taken"),
    [
        (NOTE, "overheidsorgaan", True),
        (NOTE, "gemeente", False),
        (NOTE, "derde", False),
        (replace(NOTE, protocol_note_article=None), "overheidsorgaan", False),
        (replace(NOTE, protocol_note_article="Besluit BRP art. 46"), "overheidsorgaan", False),
        (replace(NOTE, protocol_note_article="Besluit BRP art. 421"), "overheidsorgaan", False),
        (replace(NOTE, protocol_note="yes"), "overheidsorgaan", False),
        (INZAGE, "gemeente", True),
        (replace(INZAGE, inzage_article="Besluit BRP 42"), "gemeente", False),
        (replace(INZAGE, inzage="shown"), "gemeente", False),
        (Policy(protocol_note="maybe"), "gemeente", False),
    ],
)
def test_what_weakens_the_register_needs_its_own_article(policy: Policy, kind: str, *, is_taken: bool):
    assert (list(faults_of_policy(policy, {"personen": {}}, kind, "Wet BRP 3.5")) == []) is is_taken


def of(registered: World, **changes: Any) -> NewMachtiging:
    return replace(machtiging(registered.aansluiting_id, (registered.tenant_id, registered.taaksysteem_id)), **changes)


async def test_everything_that_is_wrong_with_a_machtiging_of_a_gemeente_is_told_at_once(registrar, registered):
    wrong = of(
        registered, grondslag=" ", ontvanger="", conditions={"user": 1}, rights={"bewoningen": {"fields": ["x"]}}
    )
    with pytest.raises(InputRefused) as caught:
        async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
            await create_machtigingen(registrar, registered.tenant_id, [of(registered), replace(wrong, policy=NOTE)])
    told = " ".join(caught.value.faults)
    assert len(caught.value.faults) == 5
    assert all(word in told for word in ("grondslag", "ontvanger", "'user'", "'bewoningen'", "Besluit BRP 42"))
    assert await registrar.fetchval("SELECT count(*) FROM registry.machtiging") == 0


async def test_terms_of_a_machtiging_come_back_as_they_were_given(registrar, registered):
    hours = [{"days": ["ma"], "from": "07:00", "until": "24:00"}]
    conditions = {"user": True, "roles": ["a"], "hours": hours, "rate": 2.5, "daily_quota": 100}
    rights = {"personen": {"fields": "autorisatiebesluit", "restrict": {"gemeenteVanInschrijving": ["0518"]}}}
    made = of(registered, conditions=conditions, rights=rights, add_bsn=True, policy=DERDEN, grondslag="Wet BRP 3.9")
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        (number,) = await create_machtigingen(registrar, registered.tenant_id, [made])
        row = await registrar.fetchrow("SELECT * FROM registry.machtiging WHERE machtiging_id = $1", number)
    assert (json.loads(row["conditions"]), json.loads(row["rights"])) == (conditions, rights)
    assert (row["add_bsn"], row["leave_out_geheimhouding"], row["protocol_note"]) == (True, True, "yes")


async def ask(registrar: asyncpg.Connection, registered: World, actor: str = "beheerder") -> int:
    async with tenant_scope(registrar, registered.tenant_id, actor=actor):
        (number,) = await create_machtigingen(registrar, registered.tenant_id, [of(registered, policy=INZAGE)])
    return number


async def grant(registrar: asyncpg.Connection, registered: World, number: int, actor: str) -> None:
    async with tenant_scope(registrar, registered.tenant_id, actor=actor):
        await grant_policy(registrar, registered.tenant_id, number)


async def policy_of(registrar: asyncpg.Connection, registered: World, number: int) -> tuple[Any, ...]:
    async with tenant_scope(registrar, registered.tenant_id, actor="lezer"):
        row = await registrar.fetchrow(
            "SELECT inzage, policy_requested_by, policy_granted_by, policy_version, version FROM registry.machtiging "
            "WHERE machtiging_id = $1",
            number,
        )
    return tuple(row)


async def test_what_weakens_the_register_holds_from_the_version_at_which_another_granted_it(registrar, registered):
    number = await ask(registrar, registered)
    assert await policy_of(registrar, registered, number) == ("refused", "beheerder", None, None, 1)
    await grant(registrar, registered, number, "fg")
    assert await policy_of(registrar, registered, number) == ("refused", "beheerder", "fg", 2, 2)


async def test_nobody_grants_what_it_asked_itself_and_nobody_grants_twice(registrar, registered):
    number = await ask(registrar, registered)
    with pytest.raises(asyncpg.CheckViolationError):
        await grant(registrar, registered, number, "beheerder")
    await grant(registrar, registered, number, "fg")
    with pytest.raises(asyncpg.CheckViolationError):
        await grant(registrar, registered, number, "auditor")


async def test_a_machtiging_that_asks_nothing_cannot_be_granted_anything(registrar, registered):
    with pytest.raises(asyncpg.CheckViolationError):
        await grant(registrar, registered, registered.machtiging_id, "fg")
    with pytest.raises(NotFound):
        await grant(registrar, registered, 9_999, "fg")
    number = await ask(registrar, registered)
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        await withdraw_machtiging(registrar, registered.tenant_id, number)
    with pytest.raises(NotFound):
        await grant(registrar, registered, number, "fg")


@pytest.mark.parametrize(
    "change",
    [
        "policy_granted_by = 'verzonnen', policy_requested_by = 'iemand anders'",
        "policy_version = 1",
        "inzage = 'shown', inzage_article = NULL",
        "protocol_note = 'no', protocol_note_article = 'Besluit BRP 42'",
        'rights = \'{"personen": {}, "bewoningen": {}}\'',
        "ontvanger = 'een ander'",
    ],
)
async def test_no_statement_gets_around_the_second_pair_of_eyes(registrar, registered, change: str):
    number = await ask(registrar, registered)
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        transaction = registrar.transaction()
        await transaction.start()
        try:
            await registrar.execute(
                f"UPDATE registry.machtiging SET {change} WHERE machtiging_id = $1",  # noqa: S608
                number,
            )
        except asyncpg.CheckViolationError:
            await transaction.rollback()
        else:
            await transaction.commit()
    assert (await policy_of(registrar, registered, number))[:4] == ("refused", "beheerder", None, None)


async def test_who_inserts_a_grant_with_the_machtiging_has_asked_and_not_granted(registrar, registered):
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        number = await registrar.fetchval(
            "INSERT INTO registry.machtiging (tenant_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, "
            "  doelbinding, grondslag, ontvanger, verwerkingsactiviteit, rights, inzage, inzage_article, "
            "  policy_requested_by, policy_granted_by, policy_version) "
            "VALUES ($1, $2, $1, $3, 'd', '3.5', 'o', 'v', '{}', 'refused', 'Besluit BRP 46', 'x', 'fg', 1) "
            "RETURNING machtiging_id",
            registered.tenant_id, registered.aansluiting_id, registered.taaksysteem_id,
        )  # fmt: skip
    assert await policy_of(registrar, registered, number) == ("refused", "beheerder", None, None, 1)


def examples() -> dict[str, Any]:
    text = (Path(__file__).parents[2] / "docs" / "machtigingen.md").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    return read


def test_the_example_of_the_documentation_is_a_document_that_is_taken():
    tenant = {"oin": "00000001002564440000", "name": "Duinwijk", "kind": "gemeente"}
    afnemer = {"afnemer_id": "510193", "gemeentecode": "9101"}
    (read,) = read_document({"tenants": [{**tenant, "afnemers": [afnemer], **examples()}]}).tenants
    assert [one.doelbinding for one in read.machtigingen] == ["bijzondere bijstand", "sportclubs"]


def test_a_document_tells_faults_of_machtigingen_with_their_place():
    tenant = {"oin": "00000001002564440000", "name": "Duinwijk", "kind": "gemeente"}
    wrong = examples()["machtigingen"][1]
    wrong["grondslag"], wrong["ontvanger"] = "Wet BRP 3.5", ""
    afnemer = {"afnemer_id": "510193", "gemeentecode": "9101"}
    with pytest.raises(InputRefused) as caught:
        read_document({"tenants": [{**tenant, "afnemers": [afnemer], "machtigingen": [wrong]}]})
    assert [fault.split(": ")[0] for fault in caught.value.faults] == ["tenants.0.machtigingen.0"] * 2
