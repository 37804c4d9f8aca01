"""From the beheerder's choice to the collector, by the process that does it; and what nobody sees of the secret."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.pki import Pki
from tenants.config import TenantsConfig
from tests.admin.conftest import Api, running
from tests.databases import Database
from tests.db.calls import Writer
from tests.logboek.collector import Collector, collecting
from tests.trees.stage import Calls, seal
from tests.worlds import World

ALL = "/v1/logboekbestemmingen"
SECRET = "Bearer s3cr3t-of-the-collector"


@dataclass(frozen=True, slots=True)
class Installation:
    api: Api
    collector: Collector
    record: Callable[[int], Awaitable[None]]


@pytest.fixture
async def installation(
    config: TenantsConfig, keys: dict[str, str], database: Database, world: World, pki: Pki, tmp_path: Path
) -> AsyncIterator[Installation]:
    """A tenants process that may send to the collector, a gateway's session and a sealer's."""
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    writing, sealing = await asyncpg.connect(database.url("gateway")), await asyncpg.connect(database.url("sealer"))
    calls = Calls(Writer(writing, "register", await writing.fetchval("SELECT register.begin_writer('test')")))

    async def record(count: int) -> None:
        await calls.record(world, count)
        await seal(sealing)

    with collecting(pki, tmp_path) as collector:
        may = config.model_copy(
            update={
                "logboek_hosts": f"localhost:{collector.port}",
                "logboek_internal_networks": "127.0.0.0/8,::1/128",
                "logboek_ca_file": tmp_path / "root.pem",
                "logboek_every": 0.1,
            }
        )
        async with running(may) as (port, observed), aiohttp.ClientSession() as session:
            api = Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", keys, session)
            yield Installation(api, collector, record)
    await writing.close()
    await sealing.close()


async def until(holds: Callable[[], bool]) -> None:
    """What another thread does has no event of this loop."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def shown(api: Api, where: str, holds: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
    """What an auditor is shown, as soon as it is so."""
    async with asyncio.timeout(60):
        while not holds(seen := dict((await api.ask("GET", where, by="auditor")).json)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return seen


async def test_a_beheerder_chooses_an_endpoint_and_its_calls_arrive_there(installation: Installation):
    api, collector = installation.api, installation.collector
    wanted = {"url": f"https://localhost:{collector.port}/otlp", "kopregel": "api-key", "geheim": SECRET}
    made = await api.ask("POST", ALL, by="beheerder", json=wanted)
    assert made.status == 201, made.text
    await installation.record(7)
    await until(lambda: len(collector.calls) == 7)
    assert {path for path, _, _ in collector.requests} == {"/otlp/v1/traces"}
    assert {headers["api-key"] for _, headers, _ in collector.requests} == {SECRET}
    where = made.headers["Location"]
    seen = await shown(api, where, lambda seen: seen["verzonden"] == 14)
    assert (seen["pogingen"], seen["laatsteFout"], seen["vernietigd"], seen["metGeheim"]) == (0, None, 0, True)
    async with api.session.get(f"{api.observed}/metrics") as answer:
        metrics = await answer.text()
    assert 'koppelpunt_logboek_spans_total{tenant="1"} 14.0' in metrics
    assert 'koppelpunt_logboek_requests_total{code="gedaan",tenant="1"}' in metrics


async def test_another_address_goes_on_where_the_first_was_and_an_end_is_an_end(installation: Installation):
    api, collector = installation.api, installation.collector
    wanted = {"url": "https://nergens.example", "vanafBegin": True}
    where = (await api.ask("POST", ALL, by="beheerder", json=wanted)).headers["Location"]
    await installation.record(3)
    await shown(api, where, lambda seen: seen["laatsteFout"] == "host")
    assert collector.requests == []

    async def change(method: str, **body: Any) -> int:
        etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
        given = {"json": body} if body else {}
        return (await api.ask(method, where, by="beheerder", headers={"If-Match": etag}, **given)).status

    assert await change("PATCH", url=f"https://localhost:{collector.port}") == 200
    await until(lambda: len(collector.calls) == 3)
    assert await change("DELETE") == 204
    assert await change("PATCH", url="https://x.example") == 409
    assert (await shown(api, where))["toestand"] == "beeindigd"
    # Its place is free, and a second at the same time there is not.
    assert (await api.ask("POST", ALL, by="beheerder", json=wanted)).status == 201
    second = await api.ask("POST", ALL, by="beheerder", json=wanted)
    assert (second.status, second.json["code"]) == (409, "botst")


async def test_nobody_sees_the_secret_again_and_it_is_in_no_history(
    installation: Installation, admin: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    api = installation.api
    wanted = {"url": f"https://localhost:{installation.collector.port}", "geheim": SECRET}
    made = await api.ask("POST", ALL, by="beheerder", json=wanted)
    texts = [made.text]
    for path in (ALL, made.headers["Location"], "/v1/wijzigingen"):
        texts += [(await api.ask("GET", path, by=by)).text for by in ("beheerder", "auditor")]
    await installation.record(1)
    await until(lambda: len(installation.collector.calls) == 1)
    texts.append(capsys.readouterr().out)
    assert not [text for text in texts if "s3cr3t" in text]
    kept = await admin.fetchrow(
        "SELECT before, after, actor FROM registry.wijziging WHERE object = 'logboek_destination' ORDER BY number DESC"
    )
    assert '"has_secret": true' in kept["after"]
    assert "sealed" not in kept["after"]
    assert kept["actor"].startswith("beheerder")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://c.example"}, {"url": "https://u:p@c.example"}, {"url": "https://c.example/?a=b"}, {"url": "c"},
        {"url": "https://c.example", "kopregel": "host"}, {"url": "https://c.example", "kopregel": "Content-Length"},
        {"url": "https://c.example", "geheim": "a\r\nHost: x"}, {"url": "https://c.example", "geheim": "é"},
        {"url": "https://c.example", "geheim": ""}, {"url": "https://c.example", "sleutel": "x"}, {},
    ],
)  # fmt: skip
async def test_what_could_lead_elsewhere_is_refused(api: Api, wrong: dict[str, Any]):
    refused = await api.ask("POST", ALL, by="beheerder", json=wrong)
    assert refused.status == 400, refused.text
    assert "Host: x" not in refused.text


async def test_only_the_tenants_own_beheerder_chooses(api: Api, world: World):
    wanted = {"url": "https://c.example"}
    named = {"Koppelpunt-Tenant": str(world.tenant_id)}
    for by in ("auditor", "operator"):
        assert (await api.ask("POST", ALL, by=by, json=wanted, headers=named if by == "operator" else {})).status == 403
    mandate = {"aan": None, "reden": "Storingsdienst", "geldigTot": "2027-06-01T00:00:00+02:00"}
    assert (await api.ask("POST", "/v1/beheermandaten", by="beheerder", json=mandate)).status == 201
    assert (await api.ask("POST", ALL, by="operator", json=wanted, headers=named)).status == 403
    assert (await api.ask("GET", ALL, by="auditor")).json["logboekbestemmingen"] == []
