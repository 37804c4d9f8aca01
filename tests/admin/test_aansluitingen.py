"""An aansluiting goes from concept to use only when everything is there, and is told everything that is not at once."""

from typing import Any

from tests.admin.conftest import Api, Reply
from tests.worlds import World


async def patch(api: Api, where: str, body: dict[str, Any]) -> Reply:
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    return await api.ask("PATCH", where, by="beheerder", json=body, headers={"If-Match": etag})


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
    moved = await patch(api, where, {"toestand": "productie"})
    assert (moved.status, moved.json["toestand"], moved.json["bevindingen"]) == (200, "productie", [])
    history = await api.ask("GET", "/v1/wijzigingen?aantal=1", by="auditor")
    assert history.json["wijzigingen"][0]["na"]["state"] == "productie"
    assert history.json["wijzigingen"][0]["door"].startswith("beheerder/")


async def test_steps_of_the_stappenplan_are_dated_and_the_rest_is_missing_in_words(api: Api, world: World):
    where = f"/v1/aansluitingen/{world.aansluiting_id}"
    before = await api.ask("GET", where, by="auditor")
    assert [one["stap"] for one in before.json["ontbreekt"]] == [
        "certificaat_naar_rvig", "inloggegevens_ontvangen", "proef_getest", "productie_akkoord",
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
