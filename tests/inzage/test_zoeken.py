"""Searching by everything that a call says, and who must be told after a correction."""

from typing import Any

import pytest

from tests.admin.conftest import Api
from tests.inzage.asking import check, recently
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, CEES, Message, Register
from tests.worlds import World


@pytest.mark.parametrize(
    "by",
    [
        {"gebruiker": "k.bakker"},
        {"taaksysteem": True},
        {"certificaat": True},
        {"doelbinding": "Uitvoering Participatiewet", "gebruiker": "k.bakker"},
        {"uitkomst": "niet_beantwoord"},
        {"rubrieken": ["060810"]},
    ],
    ids="+".join,
)
async def test_a_search_of_a_period_is_narrowed_by(
    api: Api, world: World, other: World, register: Register, by: dict[str, Any]
):
    wanted = await register.call(world, ANNA, user="k.bakker", rubrieken="060810", outcome="niet_beantwoord")
    values: dict[str, Any] = {
        "taaksysteem": {"tenantId": world.tenant_id, "taaksysteemId": world.taaksysteem_id},
        "certificaat": world.fingerprint.hex(),
    }
    asked = {name: values[name] if value is True else value for name, value in by.items()}
    if not asked.keys() & values.keys():
        await register.call(world, ANNA, user="ander", rubrieken="010240")
    await register.call(other, ANNA, user="k.bakker", rubrieken="060810", outcome="niet_beantwoord")
    found = await check(api, "/v1/protocolregels/zoekvraag", **asked)
    assert [one["id"] for one in found.json["protocolregels"]] == [str(wanted)]
    nothing: dict[str, Any] = {
        **asked,
        **({"gebruiker": "niemand"} if "gebruiker" in asked else {"doelbinding": "Iets anders"}),
    }
    assert (await check(api, "/v1/protocolregels/zoekvraag", **nothing)).json["protocolregels"] == []


async def test_a_person_is_found_by_a_nummer_and_by_either_number(api: Api, world: World, register: Register):
    by_number = await register.call(world, ANNA)
    by_message = await register.call(world, messages=[Message("m", a_nummers=[A_NUMMER])])

    async def search(**whom: str) -> list[str]:
        body = {"reden": "Inzage", **whom}
        reply = await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=body)
        return [one["id"] for one in reply.json["protocolregels"]]

    assert await search(aNummer=A_NUMMER) == [str(by_message)]
    assert await search(burgerservicenummer=ANNA) == [str(by_number)]
    assert await search(burgerservicenummer=ANNA, aNummer=A_NUMMER) == [str(by_message), str(by_number)]
    both = {"reden": "x", "aNummer": A_NUMMER, "gebruiker": "x", "periode": recently()}
    assert (await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=both)).status == 400


async def test_a_filtered_search_of_a_person_goes_on_where_its_page_ended(api: Api, world: World, register: Register):
    wanted = []
    for number in range(6):
        made = await register.call(world, ANNA, rubrieken="060810" if number % 2 else "010240")
        wanted += [str(made)] if number % 2 else []
    seen, more = [], None
    for _ in range(3):
        body = {"reden": "x", "burgerservicenummer": ANNA, "rubrieken": ["060810"], "aantal": 1}
        body |= {} if more is None else {"voor": more}
        found = (await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=body)).json
        seen += [one["id"] for one in found["protocolregels"]]
        more = found["volgende"]
    assert (seen, more) == (wanted[::-1], None)


async def test_a_correction_names_the_recipients_of_what_was_wrong_and_of_what_was_made_of_it(
    api: Api, world: World, register: Register, refused: int
):
    by_name = await register.call(world, ANNA, rubrieken="010120, 010240", machtiging_version=refused)
    derived = await register.call(world, ANNA, rubrieken="PANM05", machtiging_version=refused)
    message = await register.call(
        world, messages=[Message("m", bsns=[ANNA], rubrieken=["510240"])], machtiging_version=refused
    )
    unknown = await register.call(world, ANNA, rubrieken="010240", outcome=None, machtiging_version=refused)
    await register.call(world, ANNA, rubrieken="081110", machtiging_version=refused)
    await register.call(world, ANNA, rubrieken="010240", outcome="niet_beantwoord", machtiging_version=refused)
    await register.call(world, CEES, rubrieken="010240", machtiging_version=refused)
    question = {"burgerservicenummer": ANNA, "rubrieken": ["010240"], "reden": "Correctie 7"}
    found = (await api.ask("POST", "/v1/correctielijsten", by="auditor", json=question)).json
    assert found["rubrieken"] == ["persoon: geslachtsnaam"]
    by_outcome = {one["uitkomst"]: one for one in found["ontvangers"]}
    assert set(by_outcome["verstrekt"]["protocolregels"]) == {str(one) for one in (by_name, derived, message)}
    assert by_outcome["verstrekt"]["gegevens"] == [
        "persoon: geslachtsnaam, naam voor op een brief",
        "persoon (eerder): geslachtsnaam",
    ]
    assert by_outcome["uitkomst_onbekend"]["protocolregels"] == [str(unknown)]
    csv = await api.ask("POST", "/v1/correctielijsten", by="auditor", json={**question, "vorm": "csv"})
    assert csv.headers["Content-Type"].startswith("text/csv")
    assert "naam voor op een brief" in csv.text
    assert ANNA not in csv.text


async def test_a_search_finds_who_received_a_rubriek(api: Api, world: World, register: Register):
    wanted = await register.call(world, ANNA, rubrieken="010120, 081110")
    message = await register.call(world, messages=[Message("m", bsns=[ANNA], rubrieken=["081110"])])
    await register.call(world, ANNA, rubrieken="010120")
    await register.call(world, messages=[Message("m", bsns=[ANNA]), Message("n", bsns=[BRAM], rubrieken=["081110"])])

    async def search(**question: object) -> list[str]:
        body = {"reden": "Correctie", "rubrieken": ["081110"], **question}
        reply = await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=body)
        assert reply.status == 200, reply.text
        assert all(one["inhoud"] is None for one in reply.json["protocolregels"])
        return [one["id"] for one in reply.json["protocolregels"]]

    assert await search(burgerservicenummer=ANNA) == [str(message), str(wanted)]
    assert len(await search(periode=recently())) == 3
