"""Tests, credentials and standen by the admin API and the command line, with a gateway as a process of its own."""

import asyncio
import dataclasses
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tenants.admins import Role, make_admin_key
from tenants.config import TenantsConfig
from tenants.keyring import public_half
from tests.admin.conftest import Api, running
from tests.e2e.ledgers import unique_question, until
from tests.e2e.test_leaks import found_in
from tests.world import with_secret


@pytest.fixture
async def api(here, member) -> AsyncIterator[Api]:
    ground, keys = here.ground, {}
    wanted: tuple[tuple[str, Role, int | None], ...] = (
        ("beheerder", "beheerder", member.tenant_id),
        ("operator", "operator", None),
    )
    for name, role, tenant_id in wanted:
        _, keys[name] = await make_admin_key(
            here.tenants,
            public_half(ground.identity),
            role=role,
            tenant_id=tenant_id,
            name=name,
            valid_for=timedelta(1),
        )
    config = TenantsConfig(
        database_url=here.database.url("tenants"), inzage_url=here.database.url("inzage"),
        identity_public_file=ground.file("identity.public"), register_keyring_file=ground.file("register.keyring"),
        bind="127.0.0.1:0", metrics_bind="127.0.0.1:0", connections=4,
    )  # fmt: skip
    async with running(config) as (port, observed), aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", keys, session)


async def follow(api: Api, location: str) -> list[Any]:
    headers = {"Authorization": f"Bearer {api.keys['beheerder']}"}
    async with api.session.get(f"{api.url}{location}/stappen", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        lines = [json.loads(line) async for line in answer.content]
    return [line for line in lines if "toestand" not in line]


async def test_a_test_is_asked_for_and_followed_and_says_no_secret(here, member, api):
    path = f"/v1/aansluitingen/{member.aansluiting_id}/verbindingstesten"
    async with here.gateways(1) as (gateway,):
        asked = await api.ask("POST", path, by="beheerder", json={"apis": ["personen", "berichten"]})
        assert asked.status == 202, asked.text
        lines = await follow(api, asked.headers["Location"])
        assert [line["stap"]["naam"] for line in lines[:-1]][:5] == [
            "gegevens",
            "naam",
            "tcp",
            "servercertificaat",
            "clientcertificaat",
        ]
        assert lines[-1]["verbindingstest"]["toestand"] == "geslaagd"
        shown = await api.ask("GET", asked.headers["Location"], by="beheerder")
        assert [step["nummer"] for step in shown.json["stappen"]] == list(range(1, 12))
        listed = await api.ask("GET", path, by="beheerder")
        assert [one["nummer"] for one in listed.json["verbindingstesten"]] == [shown.json["nummer"]]
        history = await api.ask("GET", "/v1/wijzigingen", by="beheerder")
        of_test = [one for one in history.json["wijzigingen"] if one["object"] == "verbindingstest"]
        assert [(one["actie"], one["na"]["toestand"]) for one in of_test] == [
            ("update", "geslaagd"),
            ("insert", "gevraagd"),
        ]
        await gateway.stop()
        log = await asyncio.to_thread(gateway.output.read_bytes)
    secrets = {"secret": member.account.client_secret} | {
        f"token {number}": token for number, token in enumerate(here.simulator.tokens._issued)
    }
    assert len(secrets) > 2
    for text in (json.dumps(lines).encode(), shown.text.encode(), history.text.encode(), log):
        assert found_in(text, secrets) == []


async def test_without_a_gateway_the_test_is_given_up(here, member, api, database):
    asked = await api.ask(
        "POST", f"/v1/aansluitingen/{member.aansluiting_id}/verbindingstesten", by="beheerder", json={}
    )
    again = await api.ask(
        "POST", f"/v1/aansluitingen/{member.aansluiting_id}/verbindingstesten", by="beheerder", json={}
    )
    assert (asked.status, again.status, again.json["code"]) == (202, 409, "testLoopt")
    admin = await asyncpg.connect(database.url("admin"))
    await admin.execute("UPDATE registry.verbindingstest SET asked_at = now() - interval '61 s'")
    await admin.close()
    shown = await api.ask("GET", asked.headers["Location"], by="beheerder")
    assert shown.json["toestand"] == "afgebroken"


async def test_who_follows_a_test_that_nobody_takes_is_told_so_at_once(here, member, api, database):
    path = f"/v1/aansluitingen/{member.aansluiting_id}/verbindingstesten"
    asked = await api.ask("POST", path, by="beheerder", json={})
    headers = {"Authorization": f"Bearer {api.keys['beheerder']}"}
    async with api.session.get(f"{api.url}{asked.headers['Location']}/stappen", headers=headers) as answer:
        assert json.loads(await asyncio.wait_for(answer.content.readline(), 5)) == {"toestand": "gevraagd"}
        admin = await asyncpg.connect(database.url("admin"))
        await admin.execute("UPDATE registry.verbindingstest SET asked_at = now() - interval '61 s'")
        await admin.close()
        (last,) = [json.loads(line) async for line in answer.content]
    assert last["verbindingstest"]["toestand"] == "afgebroken"


async def test_a_new_secret_is_tried_before_it_is_put_to_use_and_one_step_leads_back(here, member, api, caller):
    here.simulator.afnemers.put(with_secret(member.account, "nieuw geheim"))
    new = {
        "afnemerId": member.account.afnemer_id, "omgeving": "productie", "clientId": member.account.client_id,
        "secret": "nieuw geheim",
    }  # fmt: skip
    async with here.gateway() as url:
        made = await api.ask("POST", "/v1/credentials", by="beheerder", json=new)
        assert (made.status, made.json["toestand"]) == (201, "klaargezet")
        assert "nieuw geheim" not in made.text
        one, tag = made.headers["Location"], {"If-Match": made.headers["ETag"]}
        wish = {"aansluiting": member.aansluiting_id}
        refused = await api.ask("POST", f"{one}/activering", by="beheerder", json=wish, headers=tag)
        assert (refused.status, refused.json["code"]) == (400, "geweigerd")
        tried = await api.ask("POST", f"{one}/pogingen", by="beheerder", json=wish)
        assert (await follow(api, tried.headers["Location"]))[-1]["verbindingstest"]["toestand"] == "geslaagd"
        active = await api.ask("POST", f"{one}/activering", by="beheerder", json=wish, headers=tag)
        assert (active.status, active.json["toestand"], active.json["aansluitingen"]) == (
            200,
            "actief",
            [member.aansluiting_id],
        )
        old = await api.ask("GET", f"/v1/credentials/{member.credential_id}", by="beheerder")
        assert old.json["toestand"] == "uitfaserend"
        assert (await caller.call(url, member, unique_question())).status == 200
        in_use = await api.ask(
            "POST", f"{one}/uitfasering", by="beheerder", headers={"If-Match": active.headers["ETag"]}
        )
        assert in_use.status == 400
        back = await api.ask(
            "POST", f"{one}/terugdraaiing", by="beheerder", json=wish, headers={"If-Match": active.headers["ETag"]}
        )
        assert (back.status, back.json["nummer"]) == (200, member.credential_id)
        assert (await caller.call(url, member, unique_question())).status == 200


async def test_a_wrong_secret_is_not_put_to_use_but_with_a_reason_that_the_history_keeps(here, member, api):
    new = {
        "afnemerId": member.account.afnemer_id, "omgeving": "productie", "clientId": member.account.client_id,
        "secret": "helemaal mis",
    }  # fmt: skip
    async with here.gateway():
        made = await api.ask("POST", "/v1/credentials", by="beheerder", json=new)
        one, wish = made.headers["Location"], {"aansluiting": member.aansluiting_id}
        tried = await api.ask("POST", f"{one}/pogingen", by="beheerder", json=wish)
        lines = await follow(api, tried.headers["Location"])
        assert lines[-1]["verbindingstest"]["toestand"] == "mislukt"
        tag = {"If-Match": made.headers["ETag"]}
        assert (await api.ask("POST", f"{one}/activering", by="beheerder", json=wish, headers=tag)).status == 400
        half = wish | {"zonderPoging": True}
        assert (await api.ask("POST", f"{one}/activering", by="beheerder", json=half, headers=tag)).status == 400
        forced = half | {"reden": "RvIG laat pas na de wissel toe"}
        done = await api.ask("POST", f"{one}/activering", by="beheerder", json=forced, headers=tag)
        assert done.status == 200
    history = await api.ask("GET", "/v1/wijzigingen", by="beheerder")
    assert "RvIG laat pas na de wissel toe" in history.text
    assert "helemaal mis" not in history.text


async def test_a_block_of_rvigs_is_shown_and_lifted(here, member, api, caller):
    body = b'{"code":"AUTH-F002"}'
    number = here.simulator.faults.add(FaultRule(FaultKind.ANSWER, Match(api="personen"), status=401, body=body))
    path = f"/v1/aansluitingen/{member.aansluiting_id}/standen"
    async with here.gateway() as url:
        assert (await api.ask("GET", path, by="beheerder")).json == {"standen": []}
        await caller.call(url, member, unique_question())

        async def shown() -> bool:
            return bool((await api.ask("GET", path, by="beheerder")).json["standen"])

        await until(shown)
        (stand,) = (await api.ask("GET", path, by="beheerder")).json["standen"]
        assert (stand["soort"], stand["plaats"], stand["code"]) == ("accountGeblokkeerd", "api", "AUTH-F002")
        here.simulator.faults.remove(number)
        assert (await api.ask("DELETE", path, by="beheerder")).status == 204
        assert (await api.ask("DELETE", path, by="beheerder")).status == 404


async def on_command_line(here, member, *more: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "verbindingstest", "--tenant", member.account.oin, "--aansluiting",
        str(member.aansluiting_id), *more, env=environment | {"KOPPELPUNT_DATABASE_URL": here.database.url("tenants")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_command_line_shows_the_steps_and_ends_with_what_became_of_it(here, member):
    async with here.gateway():
        status, output = await on_command_line(here, member)
        assert status == 0, output
        assert "probe" in output
        assert re.search(r"gegevens .*certificaat [0-9]+ \(actief\), credential [0-9]+ \(actief\)", output)
        here.simulator.faults.add(FaultRule(FaultKind.TOKEN_REFUSED, Match(api="token")))
        status, output = await on_command_line(here, member)
        assert status == 1, output
        assert "tenant" in output
        assert member.account.client_secret not in output
        status, output = await on_command_line(here, member, "--credential", "999")
        assert status == 2, output


async def test_the_command_line_names_the_aansluitingen_that_there_are(here, member):
    other = dataclasses.replace(member, aansluiting_id=member.aansluiting_id + 1000)
    status, output = await on_command_line(here, other)
    assert status == 2, output
    told = f"{member.aansluiting_id} ({member.account.afnemer_id} in productie)"
    assert output == f"Error: There is no aansluiting {other.aansluiting_id} here, but {told}.\n"
