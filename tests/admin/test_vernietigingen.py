"""Destruction as an auditor meets it: what would go, stops, and the word at the end of a contract."""

from datetime import UTC, datetime

from tests.admin.conftest import Api
from tests.admin.regels import Recorder
from tests.worlds import World

STOP = {"reden": "Rechtszaak 2026/14"}


async def test_the_dry_run_counts_what_goes_in_twenty_years(api: Api, world: World, recorder: Recorder):
    await recorder.record(world)
    year = datetime.now(UTC).year + 21
    reply = await api.ask("GET", f"/v1/vernietigingen/voorgenomen?tot={year}-12-31", by="auditor")
    assert reply.status == 200, reply.text
    regels = [one for one in reply.json["voorgenomen"] if one["soort"] == "protocolregels"]
    (month,) = regels
    assert (month["rijen"], month["vastgehouden"]) == (month["openingen"] + month["afsluitingen"], 0)
    assert month["openingen"] > 0
    assert month["vanaf"].startswith(str(year - 1))
    assert (await api.ask("POST", "/v1/vernietigingsstops", by="auditor", json=STOP)).status == 201
    reply = await api.ask("GET", f"/v1/vernietigingen/voorgenomen?tot={year}-12-31", by="auditor")
    held = [one for one in reply.json["voorgenomen"] if one["soort"] == "protocolregels"]
    assert [one["vastgehouden"] for one in held] == [month["rijen"]]
    assert (await api.ask("GET", "/v1/vernietigingen/voorgenomen", by="auditor")).json["voorgenomen"] == []
    assert (await api.ask("GET", "/v1/vernietigingen", by="auditor")).json == {"vernietigingen": [], "volgende": None}


async def test_a_horizon_that_is_no_day_or_too_far_is_refused(api: Api):
    for tot in ("morgen", "9999-12-31"):
        assert (await api.ask("GET", f"/v1/vernietigingen/voorgenomen?tot={tot}", by="auditor")).status == 400


async def test_a_stop_on_a_person_shows_nobody_and_is_lifted_by_another_only(api: Api):
    bsn = "999990019"
    made = await api.ask("POST", "/v1/vernietigingsstops", by="auditor", json={**STOP, "burgerservicenummer": bsn})
    assert made.status == 201, made.text
    path = f"/v1/vernietigingsstops/{made.json['nummer']}/stappen"
    step = {"soort": "opheffing_gevraagd", "reden": "Zaak gesloten"}
    assert (await api.ask("POST", path, by="auditor", json=step)).status == 204
    again = await api.ask("POST", path, by="auditor", json=step)
    lifted = await api.ask("POST", path, by="auditor", json={"soort": "opgeheven", "reden": "Akkoord"})
    assert (again.status, again.json["code"]) == (409, "stapVolgtNiet")
    assert (lifted.status, lifted.json["code"]) == (409, "tweedePaarOgen")
    shown = await api.ask("GET", "/v1/vernietigingsstops", by="auditor")
    (stop,) = shown.json["vernietigingsstops"]
    assert (stop["overPersoon"], stop["staat"]) == (True, True)
    assert bsn not in shown.text
    assert (await api.ask("GET", "/v1/vernietigingsstops", by="other-auditor")).json["vernietigingsstops"] == []
    wijzigingen = await api.ask("GET", "/v1/wijzigingen", by="auditor")
    assert "vernietigingsstop" in wijzigingen.text
    assert bsn not in wijzigingen.text


async def test_a_period_in_the_future_holds_nobody_who_is_known_now(api: Api):
    body = {
        **STOP,
        "burgerservicenummer": "999990019",
        "periode": {"van": "2100-01-01T00:00:00Z", "tot": "2101-01-01T00:00:00Z"},
    }
    reply = await api.ask("POST", "/v1/vernietigingsstops", by="auditor", json=body)
    assert (reply.status, reply.json["code"]) == (409, "onmogelijkMoment")


async def test_an_end_that_nobody_began_cannot_be_confirmed(api: Api):
    body = {"besluit": "bevestigd", "archief": "0" * 64, "reden": "Akkoord"}
    assert (await api.ask("POST", "/v1/contracteinde/besluiten", by="auditor", json=body)).status == 409
    for wrong in ({**body, "archief": None}, {**body, "besluit": "ingetrokken"}):
        assert (await api.ask("POST", "/v1/contracteinde/besluiten", by="auditor", json=wrong)).status == 400
