"""The page of onboarding says what works: its document, its commands and its request are tried."""

import json
import re
import shlex
from pathlib import Path

import asyncpg
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.pki import make_pki
from tenants.admins import Admin
from tenants.api.routing import Asked as AskedOf
from tenants.api.routing import Rooms
from tenants.api.voorstel_shapes import NieuwBesluit
from tenants.api.voorstellen import besluit
from tenants.keyring import dump, public_half
from tests.databases import Database
from tests.worlds import Keyrings

PAGE = (Path(__file__).parents[2] / "docs" / "onboarding.md").read_text(encoding="utf-8")
KEYRINGS = Keyrings()
OIN = "00000001002564440000"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def run(line: str, place: Path, database: Database) -> Result:
    words = shlex.split(line.removeprefix("$ koppelpunt "))
    words = [str(place / word) if word.endswith(".yaml") else word for word in words]
    environment = {
        "KOPPELPUNT_DATABASE_URL": database.url("tenants"),
        "KOPPELPUNT_IDENTITY_PUBLIC_FILE": str(place / "identity"),
        "KOPPELPUNT_REGISTER_PUBLIC_FILE": str(place / "register"),
    }
    return CliRunner().invoke(main, words, env=environment)


async def accept(database: Database, voorstel: str, body: str) -> str:
    """The request of the page, by the beheerder of the tenant."""
    connection = await asyncpg.connect(database.url("tenants"))
    try:
        number = await connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", OIN)
        nothing = None
        rooms = Rooms(nothing, nothing, public_half(KEYRINGS.identity), public_half(KEYRINGS.register), 0, {}, nothing)  # type: ignore[arg-type]
        wanted = NieuwBesluit.model_validate_json(body)
        asked = AskedOf(
            rooms,
            Admin(1, "beheerder", number),
            {"nummer": voorstel},
            None,
            wanted,
            number,
            1,
            "beheerder/1",
            connection,
        )
        async with connection.transaction():
            answer = await besluit(asked)
    finally:
        await connection.close()
    return answer.body.model_dump_json(by_alias=True)  # type: ignore[union-attr]


def test_the_pages_steps_bring_a_gemeente_to_its_first_key(tmp_path: Path, database: Database) -> None:
    import asyncio  # noqa: PLC0415 - the commands make loops of their own

    (tmp_path / "duinwijk.yaml").write_text(blocks("yaml")[0])
    make_pki().issue_client(OIN, "Gemeente Duinwijk").save(tmp_path, "duinwijk")
    (tmp_path / "duinwijk.secret").write_text("geheim-van-rvig")
    (tmp_path / "identity").write_text(dump(public_half(KEYRINGS.identity)))
    (tmp_path / "register").write_text(dump(public_half(KEYRINGS.register)))
    diff, apply = blocks("console")[0].splitlines()
    assert run(diff, tmp_path, database).exit_code == 1
    done = run(apply, tmp_path, database)
    assert done.exit_code == 0, done.output
    # The diff took a number too, and gave it back.
    number = re.findall(r"voorstel ([0-9]+) ", done.stdout)
    assert len(number) == 1
    first = run(blocks("console")[1].strip(), tmp_path, database)
    assert first.stdout.startswith("kpa_"), first.output
    assert run(diff, tmp_path, database).exit_code == 1
    body = blocks("http")[0].splitlines()[1]
    shown = json.loads(asyncio.run(accept(database, number[0], body)))
    assert [one["soort"] for one in shown["antwoord"]["geheimen"]] == ["api-key"]
    same = run(diff, tmp_path, database)
    assert (same.exit_code, same.stdout) == (0, "The registry is as the document says.\n")
    exported = run("$ koppelpunt registry export --tenant " + OIN, tmp_path, database)
    assert exported.exit_code == 0, exported.output
    assert "Gemeente Duinwijk" in exported.stdout
    # The last command of the page exists with these options.
    assert "--aansluiting" in blocks("console")[2]
    assert run("$ koppelpunt verbindingstest --help", tmp_path, database).exit_code == 0
