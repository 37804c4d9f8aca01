"""What RvIG would refuse costs no call, or goes to RvIG and is counted: the modes of an environment, through everything."""

import asyncio
from typing import Any

import pytest

from gateway.brp import problems
from gateway.brp.problems import problem_document
from tests.judging.stage import BERICHTEN, BEWONINGEN, GEMEENTE, HANNA, PERSONEN, judged

FULL = "10120 10210 10240"
FAULTY: dict[str, Any] = {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": ["12x"], "fields": []}
ADDRESS = "0518010000000002"


def asking(*fields: str) -> dict[str, Any]:
    return {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": [HANNA], "fields": list(fields)}


async def test_a_forbidden_question_costs_no_call_and_no_token_and_is_recorded_as_an_attempt(
    database, tmp_path
) -> None:
    async with judged(database, tmp_path, rubrieken=FULL) as here:
        refused = await here.ask(asking("naam.voornamen", "geslacht.code", "aNummer"))
        assert refused.status == 403
        shape = problems.unauthorized_fields(["geslacht", "aNummer"])
        assert refused.document == problem_document(shape, PERSONEN)
        assert here.world.simulator.seen.count == 0
        assert (await here.ask(asking("naam.voornamen"))).status == 200
        assert await here.register() == [("unauthorizedField", None), (None, "beantwoord")]


async def test_a_faulty_question_costs_no_call_and_is_no_attempt(database, tmp_path) -> None:
    async with judged(database, tmp_path, rubrieken=FULL) as here:
        refused = await here.ask(FAULTY)
        assert (refused.status, refused.document["code"]) == (400, "paramsValidation")
        assert [one["name"] for one in refused.document["invalidParams"]] == ["burgerservicenummer[0]", "fields"]
        assert "X-Protocol-Bewijs" not in refused.headers
        assert here.world.simulator.seen.count == 0
        assert await here.register() == []


async def test_a_faulty_question_gets_its_400_before_any_403(database, tmp_path) -> None:
    async with judged(database, tmp_path, rights={"bewoningen": {}}) as here:
        assert (await here.ask(FAULTY)).status == 400
        own = await here.ask(asking("naam"))
        assert (own.status, own.document["code"]) == (403, "apiNietToegestaan")


async def test_the_machtiging_is_heard_before_the_besluit(database, tmp_path) -> None:
    rights = {"personen": {"fields": ["naam"]}}
    async with judged(database, tmp_path, rubrieken="10120", rights=rights) as here:
        refused = await here.ask(asking("naam.voornamen", "geslacht"))
        assert refused.document == problem_document(problems.unauthorized_fields(["geslacht"]), PERSONEN)
        refused = await here.ask(asking("naam.voornamen"))
        assert refused.document == problem_document(problems.unauthorized_fields(["naam.voornamen"]), PERSONEN)


async def test_where_validation_is_observed_the_caller_hears_rvig_and_it_is_counted_without_data(
    database, tmp_path
) -> None:
    async with judged(database, tmp_path, rubrieken=FULL, validation="observe") as here:
        answer = await here.ask(FAULTY)
        assert (answer.status, answer.document["code"]) == (400, "paramsValidation")
        assert answer.document["instance"] == PERSONEN
        assert "X-Protocol-Bewijs" in answer.headers
        assert here.reached() == 1
        assert await here.register() == [(None, "beantwoord")]
        assert await here.observed() == {"paramsValidation": 1.0}
        (line,) = here.logged("doorgelaten")
        assert (line["transactie"], line["code"]) == (answer.trace, "paramsValidation")
        assert "12x" not in here.gateway.output.read_text()


async def test_where_validation_is_off_rvig_alone_judges(database, tmp_path) -> None:
    async with judged(database, tmp_path, rubrieken=FULL, validation="off") as here:
        assert (await here.ask(FAULTY)).status == 400
        assert here.reached() == 1
        assert await here.observed() == {}


async def test_where_authorisation_is_observed_the_caller_hears_rvig(database, tmp_path) -> None:
    async with judged(database, tmp_path, authorisation="observe") as here:
        here.let_rvig_grant("10120 10410")
        refused = await here.ask(asking("naam.voornamen"))
        assert refused.document == problem_document(problems.unauthorized_fields(["naam.voornamen"]), PERSONEN)
        # RvIG's rules may have moved: what it allows now is answered, though our registry knows no besluit.
        assert (await here.ask(asking("geslacht"))).status == 200
        assert here.reached() == 2
        assert await here.observed() == {"unauthorized": 2.0}


@pytest.mark.parametrize("validation", ["observe", "off"])
async def test_no_mode_switches_the_machtiging(database, tmp_path, validation) -> None:
    rights = {"personen": {"fields": ["naam"], "types": ["RaadpleegMetBurgerservicenummer"]}}
    modes = {"validation": validation, "authorisation": "observe"}
    async with judged(database, tmp_path, rights=rights, **modes) as here:
        bodies = [
            asking("geslacht"),
            asking("naam", "naam.bijnaam", "geslacht.code"),
            asking("naam") | {"type": "ZoekMetNummeraanduidingIdentificatie"},
            asking("naam") | {"type": "RaadpleegMetBurgerservicenummerX"},
            asking("naam") | {"type": None},
            asking("naam") | {"type": ["RaadpleegMetBurgerservicenummer"]},
            asking("naam") | {"fields": "geslacht"},
            asking("naam") | {"fields": {"0": "geslacht"}},
            asking("naam") | {"fields": ["naam", ["geslacht"]]},
        ]
        assert [(await here.ask(body)).status for body in bodies] == [403] * len(bodies)
        assert here.reached() == 0
        assert (await here.ask(asking("naam.voornamen"))).status == 200


async def test_a_new_besluit_counts_within_a_moment_and_an_ended_one_no_longer(database, tmp_path) -> None:
    async with judged(database, tmp_path) as here:
        assert (await here.ask(asking("naam.voornamen"))).document["detail"] == problems.NO_AD_HOC.detail
        await here.grant(FULL)
        assert await _until(here, 200) == 200
        await here.grant(None)
        assert await _until(here, 403) == 403


async def _until(here: Any, status: int) -> int:
    async with asyncio.timeout(10):
        while (await here.ask(asking("naam.voornamen"))).status != status:  # noqa: ASYNC110 - the gateway is a process
            await asyncio.sleep(0.01)
    return status


async def test_a_gemeente_asks_without_a_besluit_and_rvig_judges_the_address(database, tmp_path) -> None:
    body = {"type": "BewoningMetPeildatum", "peildatum": "2022-01-01", "adresseerbaarObjectIdentificatie": ADDRESS}
    async with judged(database, tmp_path, claims=GEMEENTE) as here:
        here.let_rvig_grant("")
        assert (await here.ask(asking("naam"))).status == 200
        assert (await here.ask(body, BEWONINGEN)).status == 200
        here.let_rvig_know("0518", ADDRESS)
        refused = await here.ask(body, BEWONINGEN)
        assert refused.document == problem_document(problems.NOT_OWN_BEWONING, BEWONINGEN)
        assert here.reached() == 3
        assert await here.register() == [(None, "beantwoord")] * 3


async def test_the_berichten_need_no_besluit(database, tmp_path) -> None:
    async with judged(database, tmp_path) as here:
        answer = await here.ask(None, f"{BERICHTEN}/telling?soort=nieuw", "GET")
        assert answer.document.get("code") not in {"unauthorized", "unauthorizedField", "paramsValidation"}
        assert here.reached() == 1
