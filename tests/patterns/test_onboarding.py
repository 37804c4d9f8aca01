"""A document says all that aansluitpatronen are judged by; what it puts to use must be as its pattern wants it."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gateway.pki import Issued
from tenants.faults import InputRefused
from tenants.keyring import public_half
from tenants.onboarding import Outcome, apply
from tenants.scope import tenant_scope
from tests.patterns.conftest import HOLDER, OWN

TODAY = datetime.now(UTC).date()
UNTIL = (datetime.now(UTC) + timedelta(days=400)).replace(microsecond=0)


@pytest.fixture
def document(pki) -> dict[str, Any]:
    """A leverancier that lends its certificate, and the customer that uses it by an exception."""
    issued: Issued = pki.issue_client(HOLDER, "Leverancier B.V.")
    aansluiting = {"afnemer_id": "995001", "environment": "productie", "pattern": "saas"}
    agreement = {"party": "Leverancier B.V.", "signed_on": TODAY.isoformat()}
    return {
        "tenants": [
            # The customer stands before the holder: the order in a document means nothing.
            {
                "oin": OWN, "name": "Pensioenfonds", "kind": "derde", "afnemers": [{"afnemer_id": "995001"}],
                "checkpoint_destinations": [{"kind": "email", "target": "fg@pensioen.example"}],
                "agreements": [{"kind": "contract", **agreement}, {"kind": "verwerkersovereenkomst", **agreement}],
                "certificate_exceptions": [
                    {"afnemer_id": "995001", "holder": HOLDER, "reason": "Overgang", "article": "brochure",
                     "granted_by": "FG", "valid_until": UNTIL.isoformat()},
                ],
                "credentials": [
                    {"name": "prd", "afnemer_id": "995001", "environment": "productie", "client_id": "c", "secret": "s"},
                ],
                "aansluitingen": [
                    {**aansluiting, "certificate": "eigen", "certificate_of": HOLDER, "credential": "prd",
                     "state": "productie"},
                ],
                "mandates": [{"to": HOLDER, "reason": "SaaS", "header_choice": True}],
                "machtigingen": [
                    {**aansluiting, "taaksysteem": {"name": "Pensioenen", "tenant": HOLDER}, "doelbinding": "pensioen",
                     "grondslag": "g", "ontvanger": "o", "verwerkingsactiviteit": "v", "rights": {"personen": {}}},
                ],
            },
            {
                "oin": HOLDER, "name": "Leverancier B.V.", "kind": "leverancier",
                "certificates": [{"name": "eigen", "chain": issued.chain_pem.decode(), "key": issued.key_pem.decode()}],
                "certificate_lendings": [{"to": OWN, "reason": "Contract 7"}],
                "header_profiles": [
                    {"name": "streng", "based_on": "iconnect", "roles": {"user": {"obligatory": True}}},
                ],
                "taaksystemen": [
                    {"name": "Pensioenen", "environment": "productie", "api_key": True, "header_profile": "streng"},
                ],
            },
        ]
    }  # fmt: skip


@pytest.fixture
def onboard(connection: asyncpg.Connection, keyrings):
    async def onboard(document: dict[str, Any]) -> Outcome:
        return await apply(connection, document, public_half(keyrings.identity), public_half(keyrings.register))

    return onboard


async def test_a_document_with_an_exception_is_applied_whole_and_a_second_time_changes_nothing(
    connection, document, onboard
):
    outcome = await onboard(document)
    made = {name: outcome.made[name] for name in ("agreement", "lending", "exception", "aansluiting", "mandate")}
    assert made == {"agreement": 2, "lending": 1, "exception": 1, "aansluiting": 1, "mandate": 1}
    async with tenant_scope(connection, outcome.tenants[OWN], actor="test"):
        row = await connection.fetchrow("SELECT state, certificate_oin, holder_tenant_id FROM registry.aansluiting")
        assert tuple(row) == ("productie", HOLDER, outcome.tenants[HOLDER])
        assert await connection.fetchval("SELECT header_choice FROM registry.mandate") is True
    async with tenant_scope(connection, outcome.tenants[HOLDER], actor="test"):
        assert await connection.fetchval("SELECT header_profile FROM registry.taaksysteem") == "streng"
    again = await onboard(document)
    assert {name: number for name, number in (*again.made.items(), *again.changed.items()) if number} == {}


async def test_everything_that_stops_what_is_put_to_use_is_told_and_nothing_is_kept(connection, document, onboard):
    document["tenants"][0]["agreements"] = []
    second = copy.deepcopy(document["tenants"][0]["machtigingen"][0])
    second["taaksysteem"]["name"] = "Uitkeringen"
    document["tenants"][0]["machtigingen"].append(second)
    document["tenants"][1]["taaksystemen"].append({"name": "Uitkeringen", "environment": "productie"})
    with pytest.raises(InputRefused) as refused:
        await onboard(document)
    codes = [fault.split(": ")[1] for fault in refused.value.faults]
    assert codes == ["contractOntbreekt", "verwerkersovereenkomstOntbreekt", "teVeelTaaksystemen"]
    assert await connection.fetchval("SELECT count(*) FROM registry.tenant") == 0
    document["tenants"][0]["aansluitingen"][0]["state"] = "concept"
    assert (await onboard(document)).made["aansluiting"] == 1


async def test_an_agreement_in_other_words_takes_the_place_of_the_old_one_and_a_grace_is_recorded(
    connection, document, onboard
):
    await onboard(document)
    contract = document["tenants"][0]["agreements"][0]
    contract |= {"valid_until": (TODAY + timedelta(days=9)).isoformat(), "reference": "C-7"}
    assert (await onboard(document)).made["agreement"] == 1
    contract |= {"grace_until": (TODAY + timedelta(days=30)).isoformat(), "grace_reason": "verlenging loopt"}
    outcome = await onboard(document)
    assert (outcome.made.get("agreement", 0), outcome.changed["agreement"]) == (0, 1)
    async with tenant_scope(connection, outcome.tenants[OWN], actor="test"):
        rows = await connection.fetch(
            "SELECT withdrawn_at IS NULL AS stands, grace_reason FROM registry.agreement WHERE kind = 'contract' ORDER BY 1"
        )
    assert [tuple(row) for row in rows] == [(False, None), (True, "verlenging loopt")]


@pytest.mark.parametrize(
    ("bend", "fault"),
    [
        (lambda one: one[1].update(certificate_lendings=[]), "lends no certificate"),
        (lambda one: one[0].update(certificate_exceptions=[]), "has no exception"),
        (lambda one: one[0]["aansluitingen"][0].update(certificate="ander"), "no certificate of that name"),
        (lambda one: one[0]["aansluitingen"][0].pop("certificate_of"), "no certificate of that name"),
        (lambda one: one[0]["agreements"][0].update(products=["gezag"]), "aanvullende_autorisatie"),
        (lambda one: one[0]["agreements"][0].update(grace_until="2030-01-01"), "a grace has a reason"),
        (lambda one: one[1]["header_profiles"][0]["roles"]["user"].update(headers=["cookie"]), "meaning of its own"),
        (lambda one: one[1]["taaksystemen"][0].update(header_profile="onbekend"), "no header profile 'onbekend'"),
        (lambda one: one[0]["certificate_exceptions"][0].update(afnemer_id="995009"), "no afnemer 995009"),
        (lambda one: one[0]["afnemers"][0].update(kind="gemeente", gemeentecode="0518"), "own organisation"),
    ],
)
async def test_a_document_that_cannot_be_is_refused_with_its_reason(connection, document, onboard, bend, fault):
    bend(document["tenants"])
    with pytest.raises(InputRefused, match=fault):
        await onboard(document)
    assert await connection.fetchval("SELECT count(*) FROM registry.tenant") == 0
