"""The page of onboarding says what works: its document, its commands and its requests bring a gemeente to a first call.

The operator's commands are the command line's own, the beheerder asks the admin API with the key that the page makes, and the
call goes through a gateway to the simulator, with the key that the page's acceptance shows.
"""

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.simulator.settings import SimAfnemer
from tests.admin.conftest import config_of, running
from tests.databases import Database
from tests.e2e.ledgers import HANNA, PERSONEN
from tests.world import World, question, world
from tests.worlds import Keyrings

PAGE = (Path(__file__).parents[2] / "docs" / "onboarding.md").read_text(encoding="utf-8")
OIN = "00000001002564440000"
AFNEMER = SimAfnemer(
    afnemer_id="510193", oin=OIN, gemeente_code="9101", mailbox_id="5101930", client_id="duinwijk",
    client_secret="geheim-van-rvig",
)  # fmt: skip


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def command_lines() -> Iterator[str]:
    """The commands of the page, in its order."""
    for block in blocks("console"):
        yield from block.splitlines()


async def run(line: str, here: World, place: Path) -> Result:
    words = shlex.split(line.removeprefix("$ koppelpunt "))
    words = [str(place / word) if word.endswith(".yaml") else word for word in words]
    environment = {
        "KOPPELPUNT_DATABASE_URL": here.database.url("tenants"),
        "KOPPELPUNT_IDENTITY_PUBLIC_FILE": str(here.ground.file("identity.public")),
        "KOPPELPUNT_REGISTER_PUBLIC_FILE": str(here.ground.file("register.public")),
    }
    # The commands make loops of their own.
    return await asyncio.to_thread(CliRunner().invoke, main, words, env=environment)


async def accept(session: aiohttp.ClientSession, url: str, key: str) -> dict[str, Any]:
    """Section 5 as the page has it: see what is asked, and accept it with the ETag of what was read."""
    headers = {"Authorization": f"Bearer {key}"}
    (listing,) = re.findall(r"`GET (/v1/voorstellen\S*)` shows what is asked", PAGE)
    async with session.get(url + listing, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        (asked,) = (await answer.json())["voorstellen"]
    request, body = blocks("http")[0].splitlines()
    method, path = request.split()
    # On the page it is the first voorstel; the diff took a number too, and gave it back.
    path = path.replace("/1/", f"/{asked['nummer']}/")
    async with session.get(f"{url}/v1/voorstellen/{asked['nummer']}", headers=headers) as answer:
        headers |= {"If-Match": answer.headers["ETag"], "Content-Type": "application/json"}
    async with session.request(method, url + path, headers=headers, data=body) as answer:
        assert answer.status == 200, await answer.text()
        done: dict[str, Any] = await answer.json()
        return done


async def aansluiting_of(session: aiohttp.ClientSession, url: str, key: str) -> int:
    async with session.get(f"{url}/v1/aansluitingen", headers={"Authorization": f"Bearer {key}"}) as answer:
        (found,) = (await answer.json())["aansluitingen"]
    assert found["toestand"] == "productie"
    return int(found["nummer"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "duinwijk.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "duinwijk.secret").write_text(AFNEMER.client_secret)
    return tmp_path


async def test_the_pages_steps_bring_a_gemeente_from_contract_to_its_first_call(place: Path, database: Database):
    diff, apply, admin_key, verbindingstest, *_ = command_lines()
    async with world(database, place / "world") as here, aiohttp.ClientSession() as session:
        here.ground.pki.issue_client(OIN, "Gemeente Duinwijk").save(place, "duinwijk")
        here.simulator.afnemers.put(AFNEMER)
        # 3: what it would do, and then does.
        assert (await run(diff, here, place)).exit_code == 1
        done = await run(apply, here, place)
        assert done.exit_code == 0, done.output
        # 4 and 5: the first beheerder accepts what is asked.
        first = await run(admin_key, here, place)
        key = first.stdout.split()[0]
        assert key.startswith("kpa_"), first.output
        assert (await run(diff, here, place)).exit_code == 1
        keyrings = Keyrings(here.ground.identity, here.ground.register)
        async with running(config_of(database, keyrings, place)) as (port, _):
            url = f"http://127.0.0.1:{port}"
            shown = await accept(session, url, key)
            number = await aansluiting_of(session, url, key)
        (api_key,) = shown["antwoord"]["geheimen"]
        assert api_key["soort"] == "api-key"
        # 6: the connection is tried, and the taaksysteem asks.
        async with here.gateways() as (gateway,):
            tried = await run(re.sub(r"(--aansluiting) \d+", rf"\1 {number}", verbindingstest), here, place)
            assert tried.exit_code == 0, tried.output
            here.simulator.seen.clear()
            headers = {"X-API-KEY": api_key["geheim"], "Content-Type": "application/json"}
            async with session.post(
                gateway.url + PERSONEN, headers=headers, data=orjson.dumps(question(HANNA))
            ) as answer:
                assert answer.status == 200, await answer.text()
                (person,) = (await answer.json())["personen"]
        assert person["burgerservicenummer"] == HANNA
        (seen,) = here.seen()
        assert (seen.token_afnemer_id, seen.certificate_oin) == (AFNEMER.afnemer_id, OIN)
        same = await run(diff, here, place)
        assert (same.exit_code, same.stdout) == (0, "The registry is as the document says.\n")
        exported = await run("$ koppelpunt registry export --tenant " + OIN, here, place)
        assert exported.exit_code == 0, exported.output
        assert "Gemeente Duinwijk" in exported.stdout
