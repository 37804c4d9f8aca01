"""An aansluiting goes from concept to use only when everything is there, and is told everything that is not at once."""

from typing import Any

from tests.admin.conftest import Api, Reply
from tests.worlds import World


async def patch(api: Api, where: str, body: dict[str, Any]) -> Reply:
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    return await api.ask("PATCH", where, by="beheerder", json=body, headers={"If-Match": etag})


async def take_the_steps(api: Api, where: str) -> None:
    """What the beheerder ticks, and the contacts."""
    for kind in ("technisch", "fg", "nood"):
        contact = {"soort": kind, "naam": "Meldpunt", "email": "a@testdam.example"}
        assert (await api.ask("POST", "/v1/contacten", by="beheerder", json=contact)).status == 201
    for step in ("certificaat_naar_rvig", "proef_getest", "productie_akkoord"):
        assert (await tick(api, where, step)).status == 200


async def tick(api: Api, where: str, step: str, day: str = "2026-02-01", by: str = "beheerder") -> Reply:
    etag = (await api.ask("GET", f"{where}/stappenplan", by="beheerder")).headers["ETag"]
    body = {"stap": step, "op": day}
    return await api.ask("POST", f"{where}/stappenplan", by=by, json=body, headers={"If-Match": etag})


async def make(api: Api, world: World, **given: Any) -> str:
    body = {"afnemerId": world.afnemer_id, "oin": world.oin, "omgeving": "proef"} | given
    reply = await api.ask("POST", "/v1/aansluitingen", by="beheerder", json=body)
    assert reply.status == 201, reply.text
    assert reply.json["toestand"] == "concept"
    return reply.headers["Location"]


async def choose_place(api: Api) -> None:
    """Without a place for its checkpoints nothing of a tenant goes to productie."""
    place = {"soort": "email", "plaats": "fg@gemeente.example"}
    assert (await api.ask("POST", "/v1/controlebestemmingen", by="beheerder", json=place)).status == 201


async def test_everything_that_stands_in_the_way_of_use_is_told_at_once(api: Api, world: World):
    where = await make(api, world, patroon="saas")
    refused = await patch(api, where, {"toestand": "productie"})
    assert refused.status == 400
    told = {one["detail"] for one in refused.json["errors"]}
    assert {
        "In een proefomgeving wordt een aansluiting niet productie.",
        "De aansluiting heeft geen certificaat.",
        "De aansluiting heeft geen credential.",
        "Het contract is niet vastgelegd.",
        "De verwerkersovereenkomst is niet vastgelegd.",
    } <= told
    assert (await api.ask("GET", where, by="beheerder")).json["toestand"] == "concept"


async def test_a_concept_gets_its_identity_and_goes_through_its_states(api: Api, world: World, other: World):
    where = await make(api, world)
    stolen = await patch(api, where, {"certificaat": other.certificate_id})
    assert (stolen.status, stolen.json["code"]) == (409, "botst")
    # The credential of the world is for productie.
    wrong = await patch(api, where, {"credential": world.credential_id})
    assert wrong.status == 409
    live = f"/v1/aansluitingen/{world.aansluiting_id}"
    await choose_place(api)
    for state in ("geblokkeerd", "productie", "beeindigd"):
        moved = await patch(api, live, {"toestand": state})
        assert (moved.status, moved.json["toestand"]) == (200, state)
    back = await patch(api, live, {"toestand": "productie"})
    assert back.status == 400
    assert "Na toestand beeindigd komt geen productie." in back.text
    fixed = await patch(api, live, {"certificaat": None})
    assert fixed.status == 400


async def test_a_whole_aansluiting_is_made_again_from_concept_to_productie(api: Api, world: World):
    await patch(api, f"/v1/aansluitingen/{world.aansluiting_id}", {"toestand": "beeindigd"})
    where = await make(api, world, omgeving="productie")
    bound = await patch(api, where, {"certificaat": world.certificate_id, "credential": world.credential_id})
    assert (bound.status, bound.json["certificaat"]) == (200, world.certificate_id)
    nowhere = await patch(api, where, {"toestand": "productie"})
    assert nowhere.status == 400
    assert "geen bestemming voor haar controlepunten" in nowhere.text
    await choose_place(api)
    await take_the_steps(api, where)
    moved = await patch(api, where, {"toestand": "productie"})
    assert (moved.status, moved.json["toestand"], moved.json["bevindingen"]) == (200, "productie", [])
    history = await api.ask("GET", "/v1/wijzigingen?aantal=1", by="auditor")
    assert history.json["wijzigingen"][0]["na"]["toestand"] == "productie"
    assert history.json["wijzigingen"][0]["door"].startswith("beheerder/")


async def test_steps_of_the_stappenplan_are_dated_and_the_rest_is_missing_in_words(api: Api, world: World):
    where = f"/v1/aansluitingen/{world.aansluiting_id}"
    before = await api.ask("GET", where, by="auditor")
    assert [one["stap"] for one in before.json["ontbreekt"]] == [
        "certificaat_naar_rvig", "proef_getest", "controlebestemming", "contacten", "productie_akkoord",
    ]  # fmt: skip
    done = {"stappen": [{"stap": "proef_getest", "op": "2026-02-01", "opmerking": "Verslag 12"}]}
    put = await api.ask(
        "PUT", f"{where}/stappen", by="beheerder", json=done, headers={"If-Match": before.headers["ETag"]}
    )
    assert put.status == 200
    assert put.json["stappen"] == done["stappen"]
    assert "proef_getest" not in {one["stap"] for one in put.json["ontbreekt"]}
    stale = await api.ask(
        "PUT", f"{where}/stappen", by="beheerder", json={"stappen": []}, headers={"If-Match": before.headers["ETag"]}
    )
    assert stale.status == 412
    twice = {"stappen": done["stappen"] * 2}
    etag = put.headers["ETag"]
    assert (
        await api.ask("PUT", f"{where}/stappen", by="beheerder", json=twice, headers={"If-Match": etag})
    ).status == 400


async def test_each_step_says_when_by_whom_and_whether_somebody_ticked_it(api: Api, world: World, admin):
    await patch(api, f"/v1/aansluitingen/{world.aansluiting_id}", {"toestand": "beeindigd"})
    where = await make(api, world, omgeving="productie")
    await patch(api, where, {"certificaat": world.certificate_id, "credential": world.credential_id})
    await tick(api, where, "certificaat_naar_rvig", "2026-03-04")
    plan = (await api.ask("GET", f"{where}/stappenplan", by="auditor")).json
    steps = {one["stap"]: one for one in plan["stappen"]}
    # A gemeente needs no autorisatiebesluit, and an own aansluiting no contract.
    assert list(steps) == [
        "certificaat", "certificaat_naar_rvig", "inloggegevens_ontvangen", "proef_getest", "controlebestemming", "contacten",
        "productie_akkoord",
    ]  # fmt: skip
    ticked = steps["certificaat_naar_rvig"]
    assert (ticked["gezetOp"], ticked["afgeleid"], ticked["gezetDoor"].startswith("beheerder/")) == (
        "2026-03-04",
        False,
        True,
    )
    assert steps["certificaat"]["afgeleid"]
    assert steps["certificaat"]["gezetDoor"].startswith("beheerder/")
    assert steps["inloggegevens_ontvangen"]["gezetDoor"] == "test"
    assert plan["productieWachtOp"] == [
        "Nog niet vastgelegd: de aansluiting is in de proefomgeving getest.",
        "Nog niet vastgelegd: technisch contact, FG en contact voor noodgevallen zijn vastgelegd.",
        "Nog niet vastgelegd: RvIG is akkoord met productie.",
    ]
    assert len(plan["ontbreekt"]) == 4


async def test_productie_is_refused_with_every_step_that_is_missing_at_once(api: Api, world: World):
    await patch(api, f"/v1/aansluitingen/{world.aansluiting_id}", {"toestand": "beeindigd"})
    where = await make(api, world, omgeving="productie")
    refused = await patch(api, where, {"toestand": "productie"})
    assert refused.status == 400
    told = [one["detail"] for one in refused.json["errors"]]
    waiting = (await api.ask("GET", f"{where}/stappenplan", by="beheerder")).json["productieWachtOp"]
    assert {one for one in waiting if "client-ID" not in one} <= set(told)
    assert {"De aansluiting heeft geen certificaat.", "De aansluiting heeft geen credential."} <= set(told)
    assert any("controlepunten" in one for one in told)
    assert len(told) == len(set(told))


async def test_a_test_that_succeeded_in_proef_is_the_step_itself(api: Api, world: World, admin):
    await patch(api, f"/v1/aansluitingen/{world.aansluiting_id}", {"toestand": "beeindigd"})
    proef, where = await make(api, world), await make(api, world, omgeving="productie")
    await admin.execute(
        "INSERT INTO registry.verbindingstest (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, fingerprint, credential_id, "
        "  secret_digest, apis, asked_by, state, take, taken_by, beat_at, ended_at) "
        "VALUES ($1, $2, $1, $3, $4, $5, sha256('x'), '{personen}', 'beheerder/7', 'geslaagd', gen_random_uuid(), 'g', now(), '2026-05-06 23:30Z')",
        world.tenant_id, int(proef.rpartition("/")[2]), world.certificate_id, world.fingerprint, world.credential_id,
    )  # fmt: skip
    plan = (await api.ask("GET", f"{where}/stappenplan", by="beheerder")).json
    (step,) = [one for one in plan["stappen"] if one["stap"] == "proef_getest"]
    assert (step["gezetOp"], step["gezetDoor"], step["afgeleid"]) == ("2026-05-07", "beheerder/7", True)


async def test_a_step_that_follows_from_the_registry_or_from_tomorrow_is_not_ticked(api: Api, world: World):
    where = f"/v1/aansluitingen/{world.aansluiting_id}"
    assert (await tick(api, where, "contacten")).status == 400
    assert (await tick(api, where, "proef_getest", "2199-01-01")).status == 400
    besluit = await tick(api, where, "autorisatiebesluit")
    assert (besluit.status, "hoort niet bij deze aansluiting" in besluit.text) == (400, True)
    stale = await api.ask(
        "POST", f"{where}/stappenplan", by="beheerder", json={"stap": "proef_getest", "op": "2026-01-01"},
        headers={"If-Match": '"99"'},
    )  # fmt: skip
    assert stale.status == 412
    assert (await api.ask("GET", f"{where}/stappenplan", by="other-auditor")).status == 404


async def test_who_ticks_is_who_did_it_whatever_the_statement_says(api: Api, world: World, admin):
    where = f"/v1/aansluitingen/{world.aansluiting_id}"
    await tick(api, where, "proef_getest")
    await admin.execute("UPDATE registry.aansluiting_stap SET done_by = 'beheerder/999'")
    assert await admin.fetchval("SELECT done_by FROM registry.aansluiting_stap") == await admin.fetchval(
        "SELECT session_user::text"
    )
