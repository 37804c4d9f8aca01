"""The simulator refuses what RvIG refuses: by its own autorisatietabel and by the addresses that it knows."""

import datetime as dt
import json
from typing import Any

import aiohttp
import pytest

from gateway.brp import problems
from gateway.brp.authorisation import AutorisatieRow, rubrieken_of_row
from gateway.simulator.faults import FaultKind, FaultRule
from tests.simulator.stage import GEMEENTE, HANNA, PERSONEN, WATERSCHAP

BEWONING = "/lap/api/bewoning/bewoningen"
KADE = "9101010000000001"
LIVED = {"type": "BewoningMetPeildatum", "adresseerbaarObjectIdentificatie": KADE, "peildatum": "2010-01-01"}
QUESTION = {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": [HANNA], "fields": ["geslacht"]}
ROW = {
    "afnemer_code": WATERSCHAP.afnemer_id,
    "tabel_regel_start_datum": 20201128,
    "tabel_regel_eind_datum": None,
    "ad_hoc_medium": "N",
    "ad_hoc_rubrieken": "10120 10410",
}


def table(rubrieken: str) -> dict[str, tuple[AutorisatieRow, ...]]:
    row = AutorisatieRow(dt.date(2020, 11, 28), None, "N", rubrieken_of_row(rubrieken))
    return {WATERSCHAP.afnemer_id: (row,)}


async def test_without_a_table_everybody_is_authorised(waterschap) -> None:
    assert (await waterschap.ask(QUESTION))[0] == 200


async def test_with_a_table_only_what_its_rows_allow(make_stage) -> None:
    async with make_stage(autorisatietabel=table("10120 10410")) as stage:
        waterschap, gemeente = await stage.caller(WATERSCHAP), await stage.caller(GEMEENTE)
        assert (await waterschap.ask(QUESTION))[0] == 200
        status, problem = await waterschap.ask(QUESTION | {"fields": ["geslacht", "naam.voornamen"]})
        assert (status, problem["detail"]) == (403, problems.unauthorized_fields(["naam.voornamen"]).detail)
        assert (await gemeente.ask(QUESTION | {"fields": ["naam"]}))[0] == 200
        stage.simulator.autorisatie.table = {}
        assert (await waterschap.ask(QUESTION))[1]["detail"] == problems.NO_AD_HOC.detail


async def test_the_address_of_a_bewoning_must_lie_or_have_lain_in_the_own_gemeente(make_stage) -> None:
    async with make_stage(autorisatietabel={}, adressen={KADE: frozenset({"0518"})}) as stage:
        gemeente = await stage.caller(GEMEENTE)
        status, problem = await gemeente.ask(LIVED, BEWONING)
        assert (status, problem["detail"]) == (403, problems.NOT_OWN_BEWONING.detail)
        stage.simulator.autorisatie.addresses = {KADE: frozenset({"0518", "9101"})}
        assert (await gemeente.ask(LIVED, BEWONING))[0] == 200


async def test_the_source_is_asked_only_for_what_was_allowed(make_stage) -> None:
    async with make_stage(autorisatietabel={}) as stage:
        stage.simulator.faults.add(FaultRule(FaultKind.SOURCE_ANSWER, status=500))
        waterschap, gemeente = await stage.caller(WATERSCHAP), await stage.caller(GEMEENTE)
        assert (await waterschap.ask(QUESTION | {"fields": []}))[0] == 400
        assert (await waterschap.ask(QUESTION))[0] == 403
        assert (await gemeente.ask(QUESTION))[0] == 500


async def test_table_and_addresses_can_be_replaced_while_it_runs(make_stage) -> None:
    async with make_stage(control_port=0) as stage, aiohttp.ClientSession() as session:
        waterschap, gemeente = await stage.caller(WATERSCHAP), await stage.caller(GEMEENTE)

        async def put(what: str, value: Any) -> int:
            url = f"http://127.0.0.1:{stage.address.control_port}/_control/{what}"
            async with session.put(url, data=json.dumps(value)) as answer:
                return answer.status

        assert await put("autorisatietabel", [ROW | {"ad_hoc_rubrieken": "10120"}]) == 204
        assert (await waterschap.ask(QUESTION))[0] == 403
        assert await put("autorisatietabel", [ROW]) == 204
        assert (await waterschap.ask(QUESTION))[0] == 200
        known = [{"gemeente_code": "0518", "adresseerbaar_object_identificatie": KADE}]
        assert await put("adressen", known) == 204
        assert (await gemeente.ask(LIVED, BEWONING))[0] == 403
        assert await put("adressen", []) == 204
        assert (await gemeente.ask(LIVED, BEWONING))[0] == 200
        assert await put("autorisatietabel", []) == 204
        assert (await waterschap.ask(QUESTION))[0] == 403
        assert await put("autorisatietabel", None) == 204
        assert (await waterschap.ask(QUESTION))[0] == 200
        begun_wrong, too_much = ROW | {"tabel_regel_start_datum": 20201328}, ROW | {"x": 1}
        faults: list[Any] = [{}, [[]], [{"afnemer_code": "1"}], [begun_wrong], [too_much]]
        assert [await put("autorisatietabel", fault) for fault in faults] == [400] * len(faults)


@pytest.mark.parametrize("zone", ["2026-06-30T21:59:59+00:00", "2026-06-30T22:00:00+00:00"])
async def test_a_row_begins_at_midnight_in_the_netherlands(make_stage, clock, zone) -> None:
    clock.now = dt.datetime.fromisoformat(zone).timestamp()
    row = AutorisatieRow(dt.date(2026, 7, 1), None, "N", rubrieken_of_row("10120 10410"))
    async with make_stage(autorisatietabel={WATERSCHAP.afnemer_id: (row,)}) as stage:
        status, _ = await (await stage.caller(WATERSCHAP)).ask(QUESTION, PERSONEN)
    assert status == (200 if zone.startswith("2026-06-30T22") else 403)
