"""What is wrong with a machtiging is told at once, with its place; and what the words refuse the rules refuse, and otherwise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.rights import Policy, faults_of_grounds, faults_of_policy, faults_of_rights
from tenants.words.machtigingen import faults_in_words
from tests.admin.conftest import Api
from tests.admin.resources import machtiging
from tests.worlds import World

ARTICLES = st.sampled_from([None, "Besluit BRP 42, eerste lid", "Besluit BRP art. 46", "Wet BRP 3.11", ""])
POLICIES = st.builds(
    Policy, st.booleans(), st.sampled_from(["yes", "no"]), ARTICLES, st.sampled_from(["shown", "refused"]), ARTICLES
)
RIGHTS = st.dictionaries(
    st.sampled_from(["personen", "bewoningen", "berichten"]),
    st.fixed_dictionaries({}, optional={"fields": st.sampled_from([None, ["naam"], "autorisatiebesluit"])}),
    min_size=1,
)


@given(
    RIGHTS, POLICIES, st.sampled_from(["gemeente", "overheidsorgaan", "derde"]),
    st.sampled_from(["", "Wet BRP 3.5", "Wet BRP 3.6", "art. 3.9 Wet BRP", "3.65"]), st.sampled_from(["", "College"]),
)  # fmt: skip
def test_words_and_rules_refuse_the_same(
    rights: dict[str, Any], policy: Policy, kind: str, grondslag: str, ontvanger: str
):
    rules = [
        *faults_of_rights(rights),
        *faults_of_grounds(kind, grondslag, ontvanger),
        *faults_of_policy(policy, rights, kind, grondslag),
    ]
    words = list(faults_in_words(rights, policy, kind=kind, grondslag=grondslag, ontvanger=ontvanger))
    assert len(words) == len(rules)


async def test_every_fault_of_a_machtiging_is_told_at_once_with_its_place(api: Api, world: World, other: World):
    body = machtiging(world, other) | {
        "grondslag": None,
        "rechten": {"bewoningen": {"velden": ["adres"]}},
        "registerbeleid": {"aantekening": "nee", "inzage": "geweigerd", "inzageArtikel": "zomaar"},
        "taaksysteem": {"nummer": other.taaksysteem_id},
    }
    reply = await api.ask("POST", "/v1/machtigingen", by="beheerder", json=body)
    assert reply.status == 400
    assert {one["location"]["pointer"] for one in reply.json["errors"]} == {
        "/grondslag", "/rechten/bewoningen/velden", "/registerbeleid/aantekening", "/registerbeleid/aantekeningArtikel",
        "/registerbeleid/inzageArtikel", "/taaksysteem/nummer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rechten": {}}, "/rechten"),
        ({"rechten": {"personen": {"alles": True}}}, "/rechten/personen/alles"),
        ({"rechten": {"personen": {"vraagsoorten": []}}}, "/rechten/personen/vraagsoorten"),
        ({"rechten": {"personen": {"zoekbeperkingen": {"type": ["x"]}}}}, "/rechten/personen/zoekbeperkingen"),
        ({"voorwaarden": {"uren": [{"dagen": ["ma"], "van": "19:00", "tot": "07:00"}]}}, "/voorwaarden/uren/0/tot"),
        ({"voorwaarden": {"perDag": 0}}, "/voorwaarden/perDag"),
        ({"geldigTot": "9999-12-31T23:59:59Z"}, "/geldigTot"),
        ({"doelbinding": "a\u0000b"}, "/doelbinding"),
        ({"aansluiting": 2**63}, "/aansluiting"),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_place(
    change: dict[str, Any], pointer: str, api: Api, world: World, other: World
):
    reply = await api.ask("POST", "/v1/machtigingen", by="beheerder", json=machtiging(world, other) | change)
    assert reply.status == 400
    assert [one["location"]["pointer"] for one in reply.json["errors"]] == [pointer]


async def test_policy_that_weakens_the_register_is_asked_and_not_yet_granted(api: Api, world: World, other: World):
    body = machtiging(world, other) | {
        "registerbeleid": {"inzage": "geweigerd", "inzageArtikel": "Besluit BRP 46, eerste lid, onder a"}
    }
    made = await api.ask("POST", "/v1/machtigingen", by="beheerder", json=body)
    assert made.status == 201, made.text
    assert made.json["beleidGevraagdDoor"].startswith("beheerder/")
    assert made.json["beleidToegekendDoor"] is None
