"""The mailbox is that of the token; messages are sent, listed, fetched, deleted, and kept seven days."""

import base64
import uuid

import pytest

from gateway.simulator.settings import SimAfnemer
from tests.simulator.stage import GEMEENTE, WATERSCHAP

GV01 = {"berichtType": "Gv01", "aNummer": "5101000000", "plData": {"c01": [{"e0120": "999941112"}]}}


def bericht(recipient: str | None = WATERSCHAP.mailbox_id, kind: str = "Vb01", **marks: object) -> dict[str, object]:
    given = {"berichtId": "1001", "berichtType": kind, "ontvanger": int(recipient or 0)} | marks
    return {"berichtKenmerken": given, "berichtInhoud": {"berichtType": kind, "bericht": "Goedendag"}}


async def test_a_message_goes_from_one_mailbox_to_another(gemeente, waterschap):
    status, sent = await gemeente.berichten("POST", "", {"berichten": [bericht()]})
    assert status == 200
    assert sent["nietVerwerkteBerichten"] == []
    (done,) = sent["verwerkteBerichten"]
    uuid.UUID(sent["interactieId"])
    _, listed = await waterschap.berichten("GET", "")
    (shown,) = listed["berichten"]
    assert shown["berichtTransportId"] == done["berichtTransportId"]
    assert (shown["afzender"], shown["ontvanger"], shown["opgehaald"]) == (9101010, 5101930, False)
    _, fetched = await waterschap.berichten("GET", f"/{done['berichtTransportId']}")
    assert fetched["opgehaaldeBerichten"][0]["berichtInhoud"]["bericht"] == "Goedendag"
    assert fetched["nietOpgehaaldeBerichten"] == []


async def test_another_afnemers_post_is_unknown(stage, gemeente, waterschap):
    number = stage.simulator.postbus.deliver(WATERSCHAP.mailbox_id or "", GV01)
    _, fetched = await gemeente.berichten("GET", f"/{number}")
    assert fetched["opgehaaldeBerichten"] == []
    assert fetched["nietOpgehaaldeBerichten"][0]["foutmeldingen"][0]["type"].endswith("/BBA-GET-F003")
    _, listed = await gemeente.berichten("GET", "")
    assert listed["berichten"] == []
    assert len((await waterschap.berichten("GET", ""))[1]["berichten"]) == 1


async def test_partial_failures_stand_in_an_answer_that_succeeds(gemeente):
    wrong = [bericht("1234567"), bericht(berichtId="1234567890123"), {"berichtKenmerken": 3}, None]
    status, sent = await gemeente.berichten("POST", "", {"berichten": [bericht(), *wrong]})
    assert status == 200
    assert len(sent["verwerkteBerichten"]) == 1
    codes = [one["foutmeldingen"][0]["type"][-4:] for one in sent["nietVerwerkteBerichten"]]
    assert codes == ["F003", "F002", "F002", "F002"]
    invalid = sent["nietVerwerkteBerichten"][1]["foutmeldingen"][0]["invalidParameters"]
    assert invalid == [{"key": "berichtKenmerken.berichtId", "value": "1234567890123"}]


async def test_a_message_larger_than_64_kilobytes_is_not_sent(gemeente):
    large = bericht()
    large["berichtInhoud"] = {"berichtType": "Vb01", "bericht": "x" * 65_536}
    _, sent = await gemeente.berichten("POST", "", {"berichten": [large]})
    assert sent["verwerkteBerichten"] == []


async def test_the_limits_on_numbers_are_refused_as_a_whole(gemeente):
    status, problem = await gemeente.berichten("POST", "", {"berichten": [bericht()] * 26})
    assert (status, problem["type"][-13:]) == (400, "/BBA-PUT-F001")
    many = ",".join(str(uuid.uuid4()) for _ in range(101))
    status, problem = await gemeente.berichten("GET", f"/{many}")
    assert (status, problem["type"][-13:]) == (400, "/BBA-GET-F004")
    status, problem = await gemeente.berichten("DELETE", f"/{many}")
    assert (status, problem["type"][-16:]) == (400, "/BBA-DELETE-F004")


@pytest.mark.parametrize("body", [b"nee", b"[]", b"{}", b'{"berichten":3}'])
async def test_a_request_that_is_no_list_of_messages_is_refused(gemeente, body):
    status, problem = await gemeente.berichten("POST", "", body, Content_Type="application/json")
    assert (status, problem["type"][-9:]) == (400, "/BBA-F999")


async def test_a_message_is_new_then_listed_then_fetched(stage, gemeente):
    number = stage.simulator.postbus.deliver("9101010", GV01)

    async def counts() -> list[int]:
        kinds = ("nieuw", "gezien-in-lijst-en-niet-opgehaald", "niet-opgehaald")
        return [(await gemeente.berichten("GET", f"/telling?soort={kind}"))[1]["aantalBerichten"] for kind in kinds]

    assert await counts() == [1, 0, 1]
    assert len((await gemeente.berichten("GET", "?status=nieuw"))[1]["berichten"]) == 1
    assert await counts() == [0, 1, 1]
    await gemeente.berichten("GET", f"/{number}")
    assert await counts() == [0, 0, 0]
    assert (await gemeente.berichten("GET", ""))[1]["berichten"] == []
    assert len((await gemeente.berichten("GET", "?status=opgehaald"))[1]["berichten"]) == 1


async def test_a_list_can_be_filtered_and_comes_in_pages(stage, gemeente, clock):
    for kind in ("Gv01", "Ng01", "Gv01"):
        stage.simulator.postbus.deliver("9101010", {"berichtType": kind})
        clock.now += 3600
    _, listed = await gemeente.berichten("GET", "?berichtType=gv01")
    assert [one["berichtType"] for one in listed["berichten"]] == ["Gv01", "Gv01"]
    _, listed = await gemeente.berichten("GET", "?pagina=2&berichtenPerPagina=2")
    page = listed["paginering"]
    assert len(listed["berichten"]) == 1
    assert (page["aantalPaginas"], page["totaalAantalBerichten"], page["laatstePagina"]) == (2, 3, True)
    moment = listed["berichten"][0]["dtOntvangen"]
    _, listed = await gemeente.berichten("GET", f"?totMoment={moment.replace('+', '%2B')}")
    assert len(listed["berichten"]) == 2
    _, listed = await gemeente.berichten("GET", f"?vanafMoment={moment}")
    assert len(listed["berichten"]) == 1


@pytest.mark.parametrize("query", ["?status=weg", "?pagina=0", "?berichtenPerPagina=-1", "?vanafMoment=gisteren"])
async def test_wrong_filters_are_refused(gemeente, query):
    status, problem = await gemeente.berichten("GET", query)
    assert (status, problem["type"][-14:]) == (400, "/BBA-LIST-F001")
    assert len(problem["invalidParameters"]) == 1


async def test_an_unknown_count_is_refused(gemeente):
    for query in ("", "?soort=alles"):
        status, problem = await gemeente.berichten("GET", f"/telling{query}")
        assert (status, problem["type"][-19:]) == (400, "/BBA-SUMMARIZE-F001")


async def test_a_deleted_message_is_gone_and_says_so(stage, gemeente):
    number = stage.simulator.postbus.deliver("9101010", GV01)
    other = str(uuid.uuid4())
    _, deleted = await gemeente.berichten("DELETE", f"/{number},{other}")
    assert deleted["succesvolVerwijderdeBerichten"] == [number]
    (failed,) = deleted["nietSuccesvolVerwijderdeBerichten"]
    assert (failed["berichtTransportId"], failed["foutmeldingen"][0]["type"][-4:]) == (other, "F003")
    _, again = await gemeente.berichten("DELETE", f"/{number}")
    assert again["nietSuccesvolVerwijderdeBerichten"][0]["foutmeldingen"][0]["type"].endswith("DELETE-F002")
    _, fetched = await gemeente.berichten("GET", f"/{number}")
    assert fetched["nietOpgehaaldeBerichten"][0]["foutmeldingen"][0]["type"].endswith("GET-F002")


async def test_a_message_is_kept_seven_days(stage, gemeente, clock):
    number = stage.simulator.postbus.deliver("9101010", GV01)
    clock.now += 7 * 24 * 3600 - 1
    gemeente.tokens.clear()
    assert len((await gemeente.berichten("GET", ""))[1]["berichten"]) == 1
    clock.now += 1
    assert (await gemeente.berichten("GET", ""))[1]["berichten"] == []
    _, fetched = await gemeente.berichten("GET", f"/{number}")
    assert fetched["nietOpgehaaldeBerichten"][0]["foutmeldingen"][0]["type"].endswith("GET-F001")
    _, deleted = await gemeente.berichten("DELETE", f"/{number}")
    assert deleted["nietSuccesvolVerwijderdeBerichten"][0]["foutmeldingen"][0]["type"].endswith("DELETE-F001")


async def test_ping_answers_without_content(gemeente):
    for method in ("GET", "HEAD"):
        assert await gemeente.berichten(method, "/ping") == (204, b"")


async def test_an_account_without_mailbox_is_unknown_to_berichten(stage):
    bare = SimAfnemer("910109", "00000001910109000000", "9109", None, "kaal", "geheim")
    stage.simulator.afnemers.put(bare)
    caller = await stage.caller(bare)
    status, problem = await caller.berichten("GET", "")
    assert (status, problem["type"][-14:]) == (401, "/BBA-AUTH-F001")


async def test_a_blocked_account_gets_its_own_code(stage, gemeente):
    await gemeente.token("ResourceServer02")
    stage.simulator.afnemers.change(GEMEENTE.client_id, blocked=True)
    status, problem = await gemeente.berichten("GET", "")
    assert (status, problem["type"][-14:]) == (401, "/BBA-AUTH-F002")


async def test_unknown_paths_and_methods_are_refused(gemeente):
    assert (await gemeente.berichten("PATCH", ""))[0] == 405
    assert (await gemeente.berichten("POST", "/ping"))[0] == 405
    assert (await gemeente.berichten("GET", "/a/b"))[0] == 404


UTF8 = "text/plain; charset=utf-8"
TELETEX = "text/plain; charset=teletex"


@pytest.mark.parametrize(
    ("source", "target", "body", "converted"),
    [
        (UTF8, TELETEX, "Zoë 's-Gravenhage".encode(), b"Zo\xc8e 's-Gravenhage"),
        (TELETEX, UTF8, b"Zo\xc8e \xe9", "Zoë Ø".encode()),
        (UTF8, "text/plain+base64; charset=utf-8", b"00000000Gv01", base64.b64encode(b"00000000Gv01")),
        ("text/plain+base64; charset=teletex", UTF8, base64.b64encode(b"\xc2e"), "é".encode()),
    ],
)
async def test_the_classic_forms_are_converted(gemeente, source, target, body, converted):
    assert await gemeente.berichten("POST", "/conversie", body, Content_Type=source, Accept=target) == (200, converted)


@pytest.mark.parametrize(
    ("source", "target", "body", "status", "code"),
    [
        (UTF8, UTF8, b"x", 400, "F001"),
        ("application/json", UTF8, b"{}", 415, "F003"),
        ("image/png", UTF8, b"x", 415, "F003"),
        (UTF8, "application/json", b"x", 406, "F005"),
        (UTF8, TELETEX, "中".encode(), 400, "F006"),
        (TELETEX, UTF8, b"eind \xc8", 400, "F006"),
        ("text/plain+base64; charset=utf-8", TELETEX, b"***", 400, "F006"),
    ],
)
async def test_what_cannot_be_converted_is_refused(gemeente, source, target, body, status, code):
    got, problem = await gemeente.berichten("POST", "/conversie", body, Content_Type=source, Accept=target)
    assert (got, problem["type"][-4:]) == (status, code)
