"""The auditor sees what was found wrong with the register and what was answered, and decides on it."""

from tests.admin.conftest import Api

PATH = "/v1/registerfouten"


async def test_the_auditor_sees_a_fault_and_its_answer_and_consents(api: Api, database, other):
    import asyncpg  # noqa: PLC0415

    sealer = await asyncpg.connect(database.url("sealer"))
    try:
        await sealer.execute("SELECT register.note_seal_fault(1, 'row_altered', 'leaf 3, opening x', true)")
        assert await sealer.fetchval("SELECT register.resolve_seal_faults(1, 'command line (root)', 'Schijf')") == 0
    finally:
        await sealer.close()
    (fout,) = (await api.ask("GET", f"{PATH}?open=true", by="auditor")).json["registerfouten"]
    assert (fout["code"], fout["houdtOp"], fout.get("beantwoordOp")) == ("row_altered", True, None)
    (antwoord,) = (await api.ask("GET", f"{PATH}/antwoorden", by="auditor")).json["antwoorden"]
    assert (antwoord["door"], antwoord["registerfouten"]) == ("command line (root)", [fout["nummer"]])
    decisions = f"{PATH}/antwoorden/{antwoord['nummer']}/besluiten"
    body = {"besluit": "ingestemd", "reden": "Onderzocht"}
    assert (await api.ask("POST", decisions, by="other-auditor", json=body)).status == 404
    assert (await api.ask("GET", PATH, by="other-auditor")).json["registerfouten"] == []
    reply = await api.ask("POST", decisions, by="auditor", json=body)
    assert (reply.status, reply.json) == (201, {"beantwoordeFouten": 1})
    assert (await api.ask("POST", decisions, by="auditor", json=body)).status == 404
    (fout,) = (await api.ask("GET", PATH, by="auditor")).json["registerfouten"]
    assert (fout["beantwoordDoor"], fout["antwoord"]) == ("command line (root)", "Schijf")
    (antwoord,) = (await api.ask("GET", f"{PATH}/antwoorden", by="auditor")).json["antwoorden"]
    assert (antwoord["toestand"], antwoord["besluitReden"]) == ("ingestemd", "Onderzocht")
    assert "foutantwoord" in (await api.ask("GET", "/v1/wijzigingen", by="auditor")).text
