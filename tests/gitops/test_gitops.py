"""A document comes in as one transaction, what must be accepted is asked, and what is exported comes in as it was."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest
import yaml
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.pki import make_pki
from tenants.admins import Admin
from tenants.api.routing import Answer, Asked, Rooms
from tenants.api.voorstel_shapes import NieuwBesluit
from tenants.api.voorstellen import besluit
from tenants.faults import InputRefused
from tenants.gitops.bringing import Brought, bring_document
from tenants.gitops.lines import read_text
from tenants.gitops.reading import read_document_of, write_yaml
from tenants.keyring import dump, public_half
from tenants.notices.signing import NoticeKeys
from tests.databases import Cluster, Database, fresh_database
from tests.tenants.test_onboarding import DOCUMENT
from tests.worlds import Keyrings

PKI, KEYRINGS = make_pki(), Keyrings()
IDENTITY, REGISTER = public_half(KEYRINGS.identity), public_half(KEYRINGS.register)
NOTICES = NoticeKeys("0a1b2c3d", {"0a1b2c3d": b"k" * 32})
OIN, VENDOR = "00000001001234567000", "00000003012345678000"
ISSUED = PKI.issue_client(OIN, "Voorbeeld")


STEPS = ("certificaat_naar_rvig", "proef_getest", "productie_akkoord")


@pytest.fixture
def document() -> dict[str, Any]:
    """All that the checklist of productie wants stands in it too."""
    read: dict[str, Any] = yaml.safe_load(DOCUMENT)
    gemeente = read["tenants"][0]
    gemeente["contacts"] = [
        {"kind": kind, "name": f"Contact {kind}", "email": f"{kind}@voorbeeld.example"}
        for kind in ("technisch", "fg", "nood")
    ]
    gemeente["aansluitingen"][0]["steps"] = [{"step": step, "day": "2026-01-05"} for step in STEPS]
    return read


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ISSUED.save(tmp_path, "voorbeeld")
    (tmp_path / "secret").write_text("zeer-geheim\n")
    return tmp_path


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("tenants"))
    yield made
    await made.close()


async def brought(connection: asyncpg.Connection, document: Any, directory: Path, *, keep: bool = True) -> Brought:
    return await bring_document(connection, document, IDENTITY, REGISTER, directory=directory, keep=keep)


async def accept(
    connection: asyncpg.Connection, tenant_id: int, number: int, role: Literal["beheerder", "auditor"] = "beheerder"
) -> Answer:
    """As the tenant's own beheerder does by POST /v1/voorstellen/…/besluit; or its auditor."""
    nothing: Any = None
    rooms = Rooms(nothing, nothing, IDENTITY, REGISTER, 0, {}, nothing, notice_keys=NOTICES)
    decision = NieuwBesluit(besluit="aanvaard", artikel="brief van 27 maart 2026, par. 2")
    actor = Admin(7 if role == "beheerder" else 8, role, tenant_id)
    asked = Asked(
        rooms, actor, {"nummer": str(number)}, None, decision, tenant_id, 1, f"{role}/{actor.number}", connection
    )
    async with connection.transaction():
        return await besluit(asked)


async def everything(connection: asyncpg.Connection, document: Any, directory: Path) -> int:
    """Apply and accept until registry and document say the same; how many times it took."""
    for times in range(1, 6):
        done = await brought(connection, document, directory)
        if done.nothing:
            return times
        for one in done.proposed:
            await accept(connection, done.outcome.tenants[one.tenant_oin], one.number)
    raise AssertionError("It never ends.")


async def test_in_productie_who_may_call_is_asked_and_not_done(connection, document, directory, database):
    done = await brought(connection, document, directory)
    made = {one.object for one in done.changes}
    assert {"aansluiting", "credential", "certificate"} <= made
    assert not made & {"taaksysteem", "taaksysteem_key", "mandate", "machtiging"}
    asked = {one.tenant_oin: one.held for one in done.proposed}
    assert [one.name for one in asked[OIN].taaksystemen] == ["Burgerzaken"]
    assert len(asked[OIN].mandates) == 1
    assert [one.taaksysteem.name for one in asked[OIN].machtigingen] == ["Burgerzaken"]
    # The vendor's taaksysteem is asked; that it asks for the gemeente waits for the gemeente's mandate.
    assert [one.vaste_aansluiting for one in asked[VENDOR].taaksystemen] == [None]
    assert {one.tenant_oin for one in done.waiting} == {OIN, VENDOR}
    assert done.outcome.secrets == ()
    admin = await asyncpg.connect(database.url("admin"))
    try:
        assert await admin.fetchval("SELECT count(*) FROM registry.machtiging") == 0
        assert await admin.fetchval("SELECT count(*) FROM registry.voorstel WHERE state = 'open'") == 2
    finally:
        await admin.close()


async def test_what_was_asked_is_asked_once_and_done_by_who_accepts(connection, document, directory):
    first = await brought(connection, document, directory)
    again = await brought(connection, document, directory)
    assert again.changes == ()
    assert [(one.number, one.already) for one in again.proposed] == [(one.number, True) for one in first.proposed]
    answer = await accept(connection, first.outcome.tenants[OIN], first.proposed[0].number)
    assert answer.shows_secret
    secrets = json.loads(answer.body.model_dump_json(by_alias=True))["antwoord"]["geheimen"]  # type: ignore[union-attr]
    assert {one["soort"] for one in secrets} == {"api-key", "client-secret"}
    # What stands is asked no more.
    later = await brought(connection, document, directory)
    assert OIN not in {one.tenant_oin for one in later.proposed if one.held.taaksystemen}


async def test_another_wish_takes_the_place_of_the_one_that_waits(connection, document, directory):
    first = await brought(connection, document, directory)
    document["tenants"][0]["machtigingen"][0]["doelbinding"] = "Iets anders"
    second = await brought(connection, document, directory)
    numbers = {one.number for one in second.proposed if one.tenant_oin == OIN}
    assert not numbers & {one.number for one in first.proposed if one.tenant_oin == OIN}
    third = await brought(connection, document, directory, keep=False)
    assert {one.number for one in third.proposed if one.tenant_oin == OIN} == numbers


async def test_a_diff_changes_nothing_and_tells_what_apply_would_do(connection, document, directory, database):
    seen = await brought(connection, document, directory, keep=False)
    assert await connection.fetchval("SELECT count(*) FROM registry.tenant") == 0
    done = await brought(connection, document, directory)
    told = [(one.tenant_oin, one.action, one.object) for one in seen.changes]
    assert told == [(one.tenant_oin, one.action, one.object) for one in done.changes]
    document["tenants"][0]["afnemers"][0]["mailbox_id"] = "9900019"
    seen = await brought(connection, document, directory, keep=False)
    assert [(one.object, dict(one.fields)) for one in seen.changes] == [
        ("afnemer", {"mailbox_id": ("9900010", "9900019")})
    ]


async def test_another_secret_is_seen(connection, document, directory):
    await brought(connection, document, directory)
    (directory / "secret").write_text("een-nieuw-geheim\n")
    seen = await brought(connection, document, directory)
    assert {(one.object, one.action) for one in seen.changes} >= {("credential", "insert"), ("aansluiting", "update")}
    assert "een-nieuw-geheim" not in str(seen)
    assert (await brought(connection, document, directory)).changes == ()


async def test_a_document_that_holds_a_secret_is_refused(connection, document, directory):
    credential = document["tenants"][0]["credentials"][0]
    credential["secret"] = "zeer-geheim"
    del credential["secret_file"]
    with pytest.raises(InputRefused) as told:
        await brought(connection, document, directory)
    assert "tenants.0.credentials.0.secret" in told.value.faults[0]
    assert "zeer-geheim" not in str(told.value)


async def test_what_is_exported_comes_in_elsewhere_as_it_was(
    connection, document, directory, postgres_cluster: Cluster
):
    assert await everything(connection, document, directory) <= 4
    exported = write_yaml(await read_document_of(connection))
    assert "zeer-geheim" not in exported
    assert "PRIVATE KEY" not in exported
    read = yaml.safe_load(exported)
    for tenant in read["tenants"]:
        for one in tenant.get("certificates", ()):
            place = directory / one["key"].removeprefix("file:")
            place.parent.mkdir(exist_ok=True)
            place.write_bytes((directory / "voorbeeld.key").read_bytes())
        for one in tenant.get("credentials", ()):
            place = directory / one["secret"].removeprefix("file:")
            place.parent.mkdir(exist_ok=True)
            place.write_text("zeer-geheim")
    with fresh_database(postgres_cluster) as other:
        elsewhere = await asyncpg.connect(other.url("tenants"))
        try:
            assert await everything(elsewhere, read, directory) <= 4
            assert write_yaml(await read_document_of(elsewhere)) == exported
        finally:
            await elsewhere.close()
    # And here it changes nothing.
    assert (await brought(connection, read, directory)).nothing


def test_faults_are_told_with_their_lines_and_all_at_once(directory: Path, database: Database) -> None:
    wrong = DOCUMENT.replace('"990001", gemeentecode', '"99001", gemeentecode').replace(
        "kind: leverancier", "kind: bakker"
    )
    (directory / "wrong.yaml").write_text(wrong)
    (directory / "identity").write_text(dump(IDENTITY))
    (directory / "register").write_text(dump(REGISTER))
    keyrings = ["--identity-public", str(directory / "identity"), "--register-public", str(directory / "register")]
    options = ["--database-url", database.url("tenants"), *keyrings]
    shown = CliRunner().invoke(main, ["registry", "diff", str(directory / "wrong.yaml"), *options])
    assert shown.exit_code == 2
    lines = wrong.splitlines()
    for piece in ("99001", "bakker"):
        number = next(at for at, line in enumerate(lines, 1) if piece in line)
        assert f"wrong.yaml, line {number}: " in shown.stderr
    (directory / "right.yaml").write_text(DOCUMENT)
    statuses = [
        CliRunner().invoke(main, ["registry", verb, str(directory / "right.yaml"), *options]).exit_code
        for verb in ("diff", "import", "import", "diff")
    ]
    assert statuses == [1, 0, 2, 1]
    told = CliRunner().invoke(main, ["registry", "diff", str(directory / "right.yaml"), "--json", *options])
    assert {"differences", "proposals", "waiting"} <= json.loads(told.stdout).keys()
    assert (
        "waits for acceptance"
        in CliRunner().invoke(main, ["registry", "diff", str(directory / "right.yaml"), *options]).stdout
    )


def test_a_name_that_stands_twice_is_refused_with_its_line() -> None:
    with pytest.raises(InputRefused) as told:
        read_text("x.yaml", "tenants:\n  - oin: 1\n    name: a\n    oin: 2\n")
    assert told.value.faults == ("x.yaml, line 4: 'oin' stands twice in the same place.",)
