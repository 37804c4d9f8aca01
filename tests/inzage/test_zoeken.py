"""Searching by everything that a call says, and who must be told after a correction."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import asyncpg
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


async def test_who_looks_whether_one_user_asked_about_one_person_finds_those_calls_alone(
    api: Api, world: World, register: Register
):
    wanted = [str(await register.call(world, ANNA, user="nieuwsgierig")) for _ in range(2)]
    await register.call(world, ANNA, user="k.bakker")
    await register.call(world, BRAM, user="nieuwsgierig")
    refused = str(await register.call(world, ANNA, user="nieuwsgierig", refusal="nietToegestaan"))
    await register.call(world, ANNA, user="k.bakker", refusal="nietToegestaan")

    async def search(**question: object) -> list[str]:
        body = {"reden": "Melding 4", "burgerservicenummer": ANNA, "gebruiker": "nieuwsgierig", **question}
        reply = await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=body)
        assert reply.status == 200, reply.text
        return [one["id"] for one in reply.json["protocolregels"]]

    assert await search() == wanted[::-1]
    assert await search(periode=recently()) == wanted[::-1]
    assert await search(gebruiker="niemand") == []
    assert await search(ookGevraagd=True) == [refused, *wanted[::-1]]
    assert await search(gebruiker="niemand", ookGevraagd=True) == []
    assert await search(doelbinding="Iets anders") == []


async def asked_about(api: Api, **question: Any) -> Any:
    body = {"reden": "Klacht 9", "burgerservicenummer": ANNA, **question}
    reply = await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=body)
    assert reply.status == 200, reply.text
    return reply.json


async def test_a_person_is_found_by_every_outcome_and_not_only_by_what_was_told(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    by_address = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    calls: dict[str, list[str]] = {}

    async def made(outcome: str, call: Awaitable[UUID]) -> None:
        calls.setdefault(outcome, []).append(str(await call))

    await made("geweigerd", register.call(world, ANNA, refusal="nietToegestaan"))
    await made("uitkomst_onbekend", register.call(world, ANNA, outcome=None))
    await made("uitkomst_onbekend", register.unanswered(world, ANNA))
    await made("niet_beantwoord", register.call(world, ANNA, outcome="niet_beantwoord"))
    await made(
        "niet_verzonden", register.call(world, outcome="niet_verzonden", question={"burgerservicenummer": [ANNA]})
    )
    await made("beantwoord", register.call(world, ANNA))
    nobody = str(await register.call(world, question={"burgerservicenummer": [ANNA]}))
    for refusal in (None, "nietToegestaan"):
        await register.call(world, BRAM, outcome=None, refusal=refusal)
        await register.call(world, question=by_address, outcome=None, refusal=refusal)
    for outcome, ids in calls.items():
        found = await asked_about(api, uitkomst=outcome)
        # What was sent and not answered goes by both names.
        wanted = ids + (calls["uitkomst_onbekend"][1:] if outcome == "niet_beantwoord" else [])
        assert {one["id"] for one in found["protocolregels"]} == set(wanted), outcome
        assert found["nietVastTeStellen"] == {"geweigerd": 1, "uitkomst_onbekend": 1, "beantwoord": None}.get(
            outcome, 0
        )
        assert all(one["inhoud"] is None for one in found["protocolregels"])
    everything = {one for ids in calls.values() for one in ids} | {nobody}
    found = await asked_about(api, ookGevraagd=True)
    assert {one["id"] for one in found["protocolregels"]} == everything
    assert (found["nietVastTeStellen"], found["zonderAfsluiting"], found["uitkomstOnbekend"]) == (2, 3, 4)
    (told,) = ([one["id"] for one in (await asked_about(api))["protocolregels"]],)
    assert set(told) == {*calls["beantwoord"], *calls["niet_beantwoord"]}
    # What was opened for it is on record as opened.
    recorded = await admin.fetch("SELECT contents, criteria FROM register.reading ORDER BY number DESC LIMIT 2")
    assert [row["contents"] for row in recorded] == [False, True]
    assert "ookGevraagd" in recorded[1]["criteria"]
    wrong = {"reden": "x", "periode": recently(), "ookGevraagd": True}
    assert (await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=wrong)).status == 400


async def test_who_was_asked_about_in_vain_is_found_page_by_page_however_few_are_opened_at_once(
    api: Api, world: World, register: Register, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tenants.asked_about._PAGE", 3)
    monkeypatch.setattr("tenants.reading.MOST_OPENED", 4)
    wanted = []
    for number in range(14):
        bsn = ANNA if number % 3 == 0 else BRAM
        made = await register.call(world, bsn, refusal=None if number % 2 else "nietToegestaan")
        wanted += [str(made)] if bsn == ANNA else []
    for size in (1, 2, 100):
        seen: list[str] = []
        more: dict[str, str] = {}
        pages = 0
        while True:
            found = await asked_about(api, ookGevraagd=True, aantal=size, **more)
            seen += [one["id"] for one in found["protocolregels"]]
            pages += 1
            if found["volgende"] is None:
                break
            more = {"voor": found["volgende"]}
        assert seen == wanted[::-1], size
        assert pages > 1


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
