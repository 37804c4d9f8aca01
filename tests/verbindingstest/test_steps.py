"""A verbindingstest says step by step what was seen and who must act, over exactly the identity of the aansluiting."""

import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.verbindingstest.conftest import outcomes

ALL = ["gegevens", "naam", "tcp", "servercertificaat", "clientcertificaat", "token", "claims", "probe"]


async def test_a_connection_that_works_is_shown_step_by_step(here, member, tester):
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "geslaagd"
    assert [step.name for step in steps] == ALL
    assert {step.result for step in steps} == {"goed"}
    assert {step.who for step in steps} == {"niemand"}
    seen = {step.name: step.seen for step in steps}
    assert seen["servercertificaat"]["tls"] == "TLSv1.3"
    assert seen["token"]["scope"] == member.scope
    assert seen["claims"]["oin"] == [member.account.oin]
    assert seen["probe"]["status"] == 400
    # What RvIG saw: this identity, one token, one question that concerns nobody.
    (asked,) = here.seen()
    assert (asked.certificate_oin, asked.token_oin) == (member.account.oin, member.account.oin)


async def test_berichten_are_tested_by_their_ping(here, member, tester):
    async with here.gateway():
        test, steps = await tester.run(member, apis=("personen", "berichten"))
    assert test.state == "geslaagd"
    assert [step.name for step in steps] == [*ALL, "token", "claims", "probe"]
    assert here.seen()[-1].path.endswith("/berichten/ping")
    assert (steps[-1].result, steps[-1].seen["status"]) == ("goed", 204)


FAULTS = [
    (
        FaultRule(FaultKind.TOKEN_REFUSED, Match(api="token"), error="invalid_client"),
        "token",
        "tenant",
        "invalid_client",
    ),
    (FaultRule(FaultKind.TOKEN_REFUSED, Match(api="token"), error="invalid_scope"), "token", "tenant", "AfnemerID"),
    (FaultRule(FaultKind.STATUS, Match(api="token"), status=503), "token", "rvig", "503"),
    (FaultRule(FaultKind.RESET, Match(api="token")), "token", "rvig", "verbindingVerbroken"),
    (FaultRule(FaultKind.WRONG_CLAIMS, claims={"OIN": "00000001999999999000"}), "claims", "rvig", "oin"),
    (FaultRule(FaultKind.TOKEN_INVALID, Match(api="personen")), "probe", "rvig", "token"),
    (FaultRule(FaultKind.REVOKED_OIN, Match(api="personen")), "probe", "rvig", "laat deze aansluiting niet toe"),
    (FaultRule(FaultKind.STATUS, Match(api="personen"), status=500), "probe", "rvig", "gestoord"),
    (FaultRule(FaultKind.ANSWER, Match(api="personen"), status=404), "probe", "operator", "catalogus"),
]


@pytest.mark.parametrize(("rule", "name", "who", "word"), FAULTS, ids=[f"{r.kind}-{n}" for r, n, _, _ in FAULTS])
async def test_what_is_wrong_at_rvig_is_told_with_who_must_act(here, member, tester, rule, name, who, word):
    here.simulator.faults.add(rule)
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "mislukt"
    (wrong,) = [step for step in steps if step.result == "fout"]
    assert (wrong.name, wrong.who) == (name, who)
    assert word in wrong.detail
    after = ALL[ALL.index(name) + 1 :]
    assert [step.name for step in steps] == ALL
    assert {outcomes(steps)[one] for one in after} <= {"overgeslagen"}


async def test_a_token_that_cannot_be_read_is_nothing_wrong(here, member, tester):
    here.simulator.faults.add(FaultRule(FaultKind.OPAQUE_TOKEN, Match(api="token")))
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "geslaagd"
    assert outcomes(steps)["claims"] == "overgeslagen"


async def test_a_server_that_is_away_is_the_operators(here, member, tester):
    catalogue = here.ground.catalogue.read_text().replace(here.ground.upstream, "https://localhost:9")
    here.ground.catalogue.write_text(catalogue)
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "mislukt"
    assert outcomes(steps) == {
        "gegevens": "goed", "naam": "goed", "tcp": "fout", "servercertificaat": "overgeslagen",
        "clientcertificaat": "overgeslagen", "token": "overgeslagen", "claims": "overgeslagen", "probe": "overgeslagen",
    }  # fmt: skip
    assert [step.who for step in steps if step.result == "fout"] == ["operator"]


async def test_a_name_that_nobody_knows_is_the_operators(here, member, tester):
    here.ground.catalogue.write_text(
        here.ground.catalogue.read_text().replace("https://localhost", "https://rvig.invalid")
    )
    async with here.gateway():
        _, steps = await tester.run(member)
    assert outcomes(steps)["naam"] == "fout"


async def test_a_server_of_another_authority_is_not_trusted_and_shown(here, member, tester, tmp_path):
    from gateway.pki import make_pki  # noqa: PLC0415 - only here

    here.ground.trust_anchors.write_bytes(make_pki().root_pem)
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "mislukt"
    (wrong,) = [step for step in steps if step.result == "fout"]
    assert (wrong.name, wrong.who) == ("servercertificaat", "operator")
    assert "localhost" in wrong.seen["namen"]
    # To a server that is not trusted no client certificate was shown.
    assert here.seen() == []
    assert here.simulator.seen.tokens() == []
