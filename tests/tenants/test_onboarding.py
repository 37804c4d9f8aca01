"""A document brings the registry to what it says, once; a wrong one changes nothing and says all that is wrong."""

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from gateway.pki import make_pki
from tenants.faults import InputRefused
from tenants.keyring import hash_secret, public_half
from tenants.onboarding import Outcome, apply
from tenants.scope import tenant_scope
from tenants.sealing import open_sealed
from tests.databases import Database
from tests.worlds import Keyrings

PKI = make_pki()
KEYRINGS = Keyrings()
OIN, VENDOR = "00000001001234567000", "00000003012345678000"
ISSUED, RENEWED = PKI.issue_client(OIN, "Voorbeeld"), PKI.issue_client(OIN, "Voorbeeld")

DOCUMENT = """
tenants:
  - oin: "00000001001234567000"
    name: Gemeente Voorbeeld
    kind: gemeente
    afnemers:
      - {afnemer_id: "990001", gemeentecode: "0001", mailbox_id: "9900010"}
    checkpoint_destinations:
      - {kind: email, target: fg@voorbeeld.example}
    certificates:
      - {name: brp, chain: voorbeeld.pem, key: voorbeeld.key}
    credentials:
      - {name: productie, afnemer_id: "990001", environment: productie, client_id: klant-1, secret_file: secret}
    aansluitingen:
      - {afnemer_id: "990001", environment: productie, certificate: brp, credential: productie, state: productie}
    taaksystemen:
      - name: Burgerzaken
        environment: productie
        api_key: true
        gateway_clients: [{client_id: burgerzaken}]
        vaste_aansluiting: {afnemer_id: "990001"}
    mandates:
      - {to: "00000003012345678000", reason: "SaaS volgens overeenkomst 12"}
    machtigingen:
      - &machtiging
        afnemer_id: "990001"
        environment: productie
        taaksysteem: {name: Burgerzaken}
        doelbinding: BRP-bijhouding
        grondslag: art. 3.5 Wet BRP
        ontvanger: College van burgemeester en wethouders
        verwerkingsactiviteit: Burgerzaken
        rights: {personen: {fields: [naam, burgerservicenummer]}, bewoningen: {}}
      - <<: *machtiging
        taaksysteem: {name: Zaaksysteem, tenant: "00000003012345678000"}
  - oin: "00000003012345678000"
    name: Leverancier BV
    kind: leverancier
    taaksystemen:
      - name: Zaaksysteem
        environment: productie
        vaste_aansluiting: {tenant: "00000001001234567000", afnemer_id: "990001"}
"""

EVERYTHING = {
    "tenant": 2, "afnemer": 1, "certificate": 1, "credential": 1, "aansluiting": 1, "taaksysteem": 2, "key": 2,
    "mandate": 1, "machtiging": 2, "checkpoint_destination": 1,
}  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(DOCUMENT)
    return copy.deepcopy(read)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ISSUED.save(tmp_path, "voorbeeld")
    RENEWED.save(tmp_path, "nieuw")
    (tmp_path / "secret").write_text("zeer-geheim\n")
    return tmp_path


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("admin"))
    yield made
    await made.close()


async def applied(connection: asyncpg.Connection, document: dict[str, Any], directory: Path) -> Outcome:
    identity, register = public_half(KEYRINGS.identity), public_half(KEYRINGS.register)
    return await apply(connection, document, identity, register, directory=directory)


async def refused(connection: asyncpg.Connection, document: dict[str, Any], directory: Path) -> tuple[str, ...]:
    with pytest.raises(InputRefused) as told:
        await applied(connection, document, directory)
    return told.value.faults


async def test_a_document_makes_all_that_it_says(connection, admin, document, directory):
    outcome = await applied(connection, document, directory)
    assert outcome.made == EVERYTHING
    assert set(outcome.tenants) == {OIN, VENDOR}
    row = await admin.fetchrow(
        "SELECT a.afnemer_id, a.state, c.fingerprint, r.client_id, r.secret_sealed, t.vaste_aansluiting_id = a.aansluiting_id "
        "FROM registry.aansluiting a JOIN registry.certificate c USING (certificate_id) "
        "JOIN registry.credential r USING (credential_id) JOIN registry.taaksysteem t ON t.name = 'Burgerzaken'"
    )
    assert tuple(row)[:4] == ("990001", "productie", bytes.fromhex(ISSUED.fingerprint), "klant-1")
    assert row[5] is True
    context = f"{outcome.tenants[OIN]}/klant-1"
    assert open_sealed(KEYRINGS.identity, row[4], purpose="client-secret", context=context) == b"zeer-geheim"
    rows = await admin.fetch(
        "SELECT s.name, m.mandate_id IS NOT NULL, m.rights FROM registry.machtiging m "
        "JOIN registry.taaksysteem s ON s.taaksysteem_id = m.taaksysteem_id ORDER BY 1"
    )
    assert [(row[0], row[1]) for row in rows] == [("Burgerzaken", False), ("Zaaksysteem", True)]
    assert json.loads(rows[0][2]) == {"personen": {"fields": ["naam", "burgerservicenummer"]}, "bewoningen": {}}


async def test_secrets_that_were_made_are_shown_once_and_kept_as_hashes(connection, admin, document, directory):
    outcome = await applied(connection, document, directory)
    hashes = {row[0] for row in await admin.fetch("SELECT hash FROM registry.taaksysteem_key")}
    assert {hash_secret(KEYRINGS.identity, one.secret)[0] for one in outcome.secrets} == hashes
    assert {(one.tenant_oin, one.taaksysteem, one.kind) for one in outcome.secrets} == {
        (OIN, "Burgerzaken", "api-key"),
        (OIN, "Burgerzaken", "client-secret"),
    }
    assert all(one.secret not in repr(outcome) + repr(one) for one in outcome.secrets)


async def test_a_document_that_is_applied_again_changes_nothing(connection, admin, document, directory):
    first = await applied(connection, document, directory)
    before = await admin.fetchval("SELECT count(*) FROM registry.wijziging")
    again = await applied(connection, document, directory)
    assert (sum(again.made.values()), sum(again.changed.values()), again.secrets) == (0, 0, ())
    assert again.tenants == first.tenants
    assert await admin.fetchval("SELECT count(*) FROM registry.wijziging") == before


async def test_a_changed_document_changes_what_it_says_otherwise(connection, admin, document, directory):
    await applied(connection, document, directory)
    municipality = document["tenants"][0]
    municipality["name"] = "Gemeente Nieuwnaam"
    municipality["afnemers"][0]["mailbox_id"] = "9900019"
    municipality["certificates"][0].update(chain="nieuw.pem", key="nieuw.key")
    municipality["machtigingen"][0]["rights"] = {"personen": {}}
    outcome = await applied(connection, document, directory)
    assert {name: count for name, count in outcome.made.items() if count} == {"certificate": 1, "machtiging": 1}
    assert {name: count for name, count in outcome.changed.items() if count} == {
        "tenant": 1, "afnemer": 1, "aansluiting": 1, "machtiging": 1,
    }  # fmt: skip
    states = dict(await admin.fetch("SELECT fingerprint, state FROM registry.certificate"))
    assert states == {bytes.fromhex(ISSUED.fingerprint): "retiring", bytes.fromhex(RENEWED.fingerprint): "active"}
    assert await admin.fetchval("SELECT count(*) FROM registry.machtiging WHERE withdrawn_at IS NOT NULL") == 1


async def test_what_a_document_does_not_name_is_left_alone(connection, admin, document, directory):
    await applied(connection, document, directory)
    municipality = document["tenants"][0]
    municipality["machtigingen"] = municipality["mandates"] = municipality["taaksystemen"] = []
    document["tenants"].pop()
    outcome = await applied(connection, document, directory)
    assert sum(outcome.made.values()) + sum(outcome.changed.values()) == 0
    assert await admin.fetchval("SELECT count(*) FROM registry.machtiging WHERE withdrawn_at IS NULL") == 2


async def test_a_taaksysteem_of_a_tenant_outside_the_document_is_found(connection, document, directory):
    await applied(connection, document, directory)
    document["tenants"].pop()
    document["tenants"][0]["machtigingen"][1]["doelbinding"] = "Leerplicht"
    outcome = await applied(connection, document, directory)
    assert outcome.made["machtiging"] == 1


async def test_pem_may_stand_in_the_document_itself(connection, document, directory):
    certificate = document["tenants"][0]["certificates"][0]
    certificate.update(chain=ISSUED.chain_pem.decode(), key=ISSUED.key_pem.decode())
    assert (await applied(connection, document, directory)).made["certificate"] == 1


async def test_all_faults_of_shape_are_told_at_once_and_none_shows_a_value(connection, document, directory):
    municipality = document["tenants"][0]
    municipality["oin"] = "geheim-123"
    municipality["kind"] = "geheim-123"
    municipality["velden"] = "geheim-123"
    municipality["credentials"][0]["secret"] = "geheim-123"
    municipality["machtigingen"][0]["rights"] = {"personen": {"velden": ["x"]}}
    municipality["aansluitingen"][0]["valid_from"] = "2030-01-01T00:00:00"
    faults = await refused(connection, document, directory)
    for place in ("oin", "kind", "velden", "credentials.0", "machtigingen.0", "aansluitingen.0.valid_from"):
        assert any(fault.startswith(f"tenants.0.{place}") for fault in faults), (place, faults)
    assert "geheim-123" not in str(faults)


async def test_all_faults_of_reference_are_told_at_once(connection, document, directory):
    municipality = document["tenants"][0]
    municipality["aansluitingen"][0].update(certificate="weg", credential="weg")
    municipality["afnemers"] *= 2
    faults = await refused(connection, document, directory)
    assert faults == (
        "tenants.0.afnemers: the same one stands there twice.",
        "tenants.0.aansluitingen.0.certificate: there is no certificate of that name.",
        "tenants.0.aansluitingen.0.credential: there is no credential of that name.",
    )


async def test_faults_of_files_are_told_with_their_place(connection, document, directory):
    municipality = document["tenants"][0]
    municipality["certificates"][0]["key"] = "nieuw.key"
    municipality["credentials"][0]["secret_file"] = "weg"
    assert await refused(connection, document, directory) == (
        "tenants.0.certificates.0: The private key does not belong to the certificate.",
        "tenants.0.credentials.0: weg: the file cannot be read (FileNotFoundError).",
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda one: one["machtigingen"][0]["taaksysteem"].update(name="Weg"), "There is no taaksysteem 'Weg'"),
        (lambda one: one["mandates"].clear(), "there is no mandate for it"),
        (lambda one: one["mandates"][0].update(to="00000009999999999000"), "There is no tenant with OIN"),
        (lambda one: one["machtigingen"][0].update(pattern="saas"), "has no aansluiting saas in productie"),
        (lambda one: one["taaksystemen"][0].update(environment="nergens"), "There is no environment 'nergens'"),
        (lambda one: one["afnemers"][0].update(gemeentecode=None), "The registry refuses this: afnemer_check"),
        (lambda one: one["afnemers"].clear(), "The registry refuses this: credential_tenant_id_afnemer_id_fkey"),
    ],
)
async def test_a_refused_document_leaves_nothing_behind(connection, admin, document, directory, change, fault):
    change(document["tenants"][0])
    faults = await refused(connection, document, directory)
    assert fault in faults[0]
    for table in ("tenant", "afnemer", "certificate", "taaksysteem", "wijziging"):
        assert await admin.fetchval(f"SELECT count(*) FROM registry.{table}") == 0  # noqa: S608


async def test_a_revoked_certificate_does_not_come_back_through_a_document(connection, document, directory):
    outcome = await applied(connection, document, directory)
    async with tenant_scope(connection, outcome.tenants[OIN], actor="test"):
        await connection.execute("UPDATE registry.certificate SET state = 'revoked'")
    assert "never comes back" in (await refused(connection, document, directory))[0]


@pytest.mark.parametrize("document", [{}, {"tenants": []}, {"tenants": None}, {"tenants": [[]]}, {"tenants": [{}]}])
async def test_what_is_no_document_is_refused(connection, document, directory):
    assert await refused(connection, document, directory)
