"""What is known to be revoked stops at once, whatever places hang."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

from cryptography.x509 import ocsp
from prometheus_client import CollectorRegistry

from tenants.fetch import FetchRules
from tenants.revocation.metrics import make_revocation_metrics
from tenants.revocation.responders import AT_ONCE, Question, Responders
from tests.certificates.authorities import Leaf, Tree, make_tree
from tests.certificates.serving import Lists, ocsp_answer
from tests.certificates.test_rounds import Stage, stage  # noqa: F401 - a fixture

OIN = "00000001001234567000"


def rules_of(places: Lists, seconds: float) -> FetchRules:
    return FetchRules(frozenset({places.host}), (ip_network("127.0.0.0/8"),), None, seconds, plain=True)


def responders_of(places: Lists, seconds: float = 600.0) -> Responders:
    metrics = make_revocation_metrics(CollectorRegistry())
    return Responders(rules_of(places, seconds), metrics, refresh=3600.0, seconds=600.0)


def question(places: Lists, tree: Tree, leaf: Leaf, path: str, about: int) -> Question:
    return Question((1, about), (leaf.certificate, tree.issuing.certificate), f"{places.base}{path}")


def answer(places: Lists, tree: Tree, leaf: Leaf, path: str, status: ocsp.OCSPCertStatus) -> None:
    issuing = tree.issuing
    places.responders[path] = lambda _: ocsp_answer(leaf.certificate, issuing.certificate, issuing, status=status)


async def test_a_list_that_is_kept_stops_a_certificate_before_any_place_is_waited_for(stage: Stage):  # noqa: F811
    await stage.work()
    assert await stage.state() == "active"
    issuing = stage.tree.issuing
    issuing.revoked.append(stage.leaf.certificate.serial_number)
    await stage.admin.execute(
        "UPDATE registry.crl SET der = $1, due_at = now() WHERE url = $2", issuing.crl(), issuing.list_url
    )
    stage.places.held.update(stage.places.lists)
    stage.rounds.places = replace(stage.rounds.places, rules=rules_of(stage.places, 600.0))
    round_ = asyncio.create_task(stage.rounds.work(stage.sealer))
    while await stage.state() != "revoked":  # noqa: ASYNC110 - what is waited for is a row
        await asyncio.sleep(0.05)
    # No list was answered: this round still waits.
    assert not round_.done()
    stage.places.released.set()
    await round_


async def test_a_responder_that_hangs_keeps_nobody_from_hearing_of_another(places: Lists):
    tree = make_tree("ec")
    slow, quick = tree.leaf(OIN), tree.leaf(OIN)
    answer(places, tree, slow, "/slow", ocsp.OCSPCertStatus.REVOKED)
    answer(places, tree, quick, "/quick", ocsp.OCSPCertStatus.REVOKED)
    places.held.add("/slow")
    given = [question(places, tree, slow, "/slow", 1), question(places, tree, quick, "/quick", 2)]
    heard = []
    async for about in responders_of(places).find_revoked(given):
        heard.append(about)
        places.released.set()
    assert heard == [(1, 2), (1, 1)]


async def test_no_more_is_asked_at_once_than_there_are_places(places: Lists):
    tree = make_tree("ec")
    leaves = [tree.leaf(OIN) for _ in range(AT_ONCE + 2)]
    paths = [f"/{number}" for number in range(len(leaves))]
    for leaf, path in zip(leaves, paths, strict=True):
        answer(places, tree, leaf, path, ocsp.OCSPCertStatus.REVOKED)
    places.held.update(paths)
    given = [
        question(places, tree, leaf, path, number)
        for number, (leaf, path) in enumerate(zip(leaves, paths, strict=True))
    ]

    async def hear() -> set[object]:
        return {about async for about in responders_of(places).find_revoked(given)}

    hearing = asyncio.create_task(hear())
    while sum(places.asked.values()) < AT_ONCE:  # noqa: ASYNC110 - what is waited for are threads
        await asyncio.sleep(0.02)
    assert sum(places.asked.values()) == AT_ONCE
    places.released.set()
    assert await hearing == {(1, number) for number in range(len(leaves))}


async def test_a_responder_that_fails_rests_with_all_that_it_answers_for(places: Lists):
    tree = make_tree("ec")
    given = [question(places, tree, tree.leaf(OIN), "/gone", number) for number in range(AT_ONCE + 5)]
    responders = responders_of(places)
    for _ in range(2):
        assert [about async for about in responders.find_revoked(given)] == []
    # 404: those under way heard it, the others were not asked, and nobody was in the second round.
    assert places.asked["/gone"] <= AT_ONCE


async def test_what_was_answered_is_not_asked_again_within_the_time_and_a_stop_ends_the_questions(places: Lists):
    tree = make_tree("ec")
    leaf = tree.leaf(OIN)
    answer(places, tree, leaf, "/good", ocsp.OCSPCertStatus.GOOD)
    responders, given = responders_of(places), [question(places, tree, leaf, "/good", 1)]
    for _ in range(3):
        assert [about async for about in responders.find_revoked(given)] == []
    assert places.asked["/good"] == 1


async def test_a_round_of_questions_ends_though_nobody_answers(places: Lists):
    tree = make_tree("ec")
    places.held.add("/slow")
    responders = responders_of(places, seconds=3.0)
    responders.seconds = 0.1
    assert [
        about async for about in responders.find_revoked([question(places, tree, tree.leaf(OIN), "/slow", 1)])
    ] == []
    places.released.set()
