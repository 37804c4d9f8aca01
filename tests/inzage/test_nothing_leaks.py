"""What an officer asks about known persons leaves no trace in what tenants, the sealer and the commands write or count.

Every route that opens the register is asked, well and badly; every process is a real one, and all of its output is
searched, as is what a tenant's own collector is sent. `tests/e2e/test_leaks.py` does the same for calls.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.pki import Pki
from tenants.keyring import dump, public_half
from tests.admin.conftest import Api
from tests.admin.test_logboek import until
from tests.databases import Database
from tests.e2e.test_leaks import found_in
from tests.inzage.asking import BRIEF, NAAM, WHY, check, identified
from tests.inzage.processes import Started, output_of, started
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, CEES, USER, Message, Register
from tests.logboek.collector import Collector, collecting
from tests.sealer.test_sealer import metric
from tests.worlds import Keyrings, World

STREET, DESK, CASE = "Dorpsstraat 1", "Reisdocument getoond aan de balie", "Zaak 4711-Zandstra"
SECRET_OF_COLLECTOR = "Bearer s3cr3t-of-the-collector"
WRONG_KEY = "kpb_verkeerde-beheersleutel-4714"
IN_PATH, IN_QUERY, IN_BODY = "987650011", "987650012", "987650013"
BETROKKENE, FIELD = "Zandstra-van-Testdam", "veldnaam-4715"


@dataclass(slots=True)
class Installation:
    """The processes, how to ask them, and what came back from asking badly."""

    api: Api
    collector: Collector
    tenants: Started
    sealer: Started
    refusals: list[str] = field(default_factory=list)

    async def refused(self, method: str, path: str, **options: Any) -> None:
        """Ask what must be refused."""
        headers = {"Authorization": f"Bearer {self.api.keys['auditor']}", **options.pop("headers", {})}
        async with self.api.session.request(method, self.api.url + path, headers=headers, **options) as answer:
            text = await answer.text()
            assert 400 <= answer.status < 500, (path, answer.status, text)
            self.refusals.append(text)


async def ask_everything(api: Api, collector: Collector) -> list[str]:
    """Every route that shows or takes a person, as it is meant; return the secrets that answers showed."""
    number = await identified(api)
    for vorm in ("json", "csv", "pdf"):
        headers = {"Authorization": f"Bearer {api.keys['auditor']}"}
        body: dict[str, Any] = {"reden": WHY, "vorm": vorm, **({"brief": BRIEF} if vorm == "pdf" else {})}
        url = f"{api.url}/v1/inzageverzoeken/{number}/uitkomsten"
        async with api.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert await answer.read()
    assert ANNA in (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="auditor")).text
    reports: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/v1/gebruiksrapporten", {"collegas": [ANNA], "publiekeFiguren": [BRAM], "gebruikersPerPersoon": 2}),
        ("/v1/datalekrapporten", {"gebruiker": USER, "vorm": "json"}),
        ("/v1/datalekrapporten", {"gebruiker": USER}),
    )
    for path, asked in reports:
        made = await check(api, path, **asked)
        assert made.status == 200, made.text
    lijst = {"burgerservicenummer": ANNA, "rubrieken": ["010240"], "reden": CASE}
    assert (await api.ask("POST", "/v1/correctielijsten", by="auditor", json=lijst)).status == 200
    sample = (await check(api, "/v1/steekproeven", aantal=2)).json
    path = f"/v1/steekproeven/{sample['nummer']}"
    assert (await api.ask("POST", f"{path}/lezingen", by="auditor", json={"reden": CASE})).status == 200
    judged = {"protocolregel": sample["protocolregels"][0], "oordeel": "nee", "toelichting": CASE}
    assert (await api.ask("POST", f"{path}/oordelen", by="auditor", json=judged)).status == 201
    wanted = {"url": f"https://localhost:{collector.port}/otlp", "kopregel": "api-key", "geheim": SECRET_OF_COLLECTOR}
    assert (await api.ask("POST", "/v1/logboekbestemmingen", by="beheerder", json=wanted)).status == 201
    contact = {"soort": "technisch", "naam": BETROKKENE, "webhook": "https://haak.example/melding"}
    hook = await api.ask("POST", "/v1/contacten", by="beheerder", json=contact)
    assert hook.status == 201, hook.text
    return [value for name, value in hook.json.items() if "geheim" in name.lower() and isinstance(value, str)]


async def ask_badly(here: Installation) -> None:
    """Persons and secrets where they do not belong, and in what cannot be read."""
    await here.refused("GET", f"/v1/inzageverzoeken/{IN_PATH}")
    await here.refused("GET", f"/v1/burgers/{IN_PATH}")
    await here.refused("GET", f"/v1/inzageverzoeken?burgerservicenummer={IN_QUERY}")
    await here.refused(
        "POST", "/v1/inzageverzoeken", json={"betrokkene": {"burgerservicenummer": IN_BODY, "naam": BETROKKENE}}
    )
    await here.refused("POST", "/v1/datalekrapporten", json={"reden": WHY, "gebruiker": [BETROKKENE, IN_BODY]})
    await here.refused("POST", "/v1/correctielijsten", data=f'{{"burgerservicenummer": {IN_BODY}'.encode())
    await here.refused("POST", "/v1/correctielijsten", json={"burgerservicenummer": IN_BODY, FIELD: BETROKKENE})
    await here.refused("GET", "/v1/wijzigingen", headers={"Authorization": f"Bearer {WRONG_KEY}"})
    await here.refused("GET", "/v1/wijzigingen", headers={"Authorization": f"Bearer a.{WRONG_KEY}.c"})
    await here.refused("GET", "/v1/wijzigingen", headers={"Koppelpunt-Tenant": IN_BODY})


@pytest.fixture
def files(tmp_path: Path, keyrings: Keyrings, pki: Pki) -> dict[str, str]:
    """The files of an installation, by the setting that names them."""
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    texts = {
        "identity_public_file": dump(public_half(keyrings.identity)),
        "register_keyring_file": dump(keyrings.register),
        "notice_keys_file": "bm90aWNlLWtleS1vZi10aGUtdGVzdC0zMi1vY3RldHM=\n",
        "logboek_ca_file": pki.root_pem.decode(),
        "checkpoint_key_file": key.decode(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in texts}


async def test_no_process_writes_or_counts_whom_it_was_asked_about_or_with_what_secret(
    database: Database, keyrings: Keyrings, keys: dict[str, str], world: World, register: Register, pki: Pki,
    files: dict[str, str], tmp_path: Path,
):  # fmt: skip
    """All in one: what takes the time is starting the processes."""
    await register.call(world, ANNA, rubrieken="010240")
    await register.call(world, BRAM, user=USER)
    await register.call(world, CEES, outcome=None)
    await register.call(world, messages=[Message("m", bsns=[ANNA], a_nummers=[A_NUMMER], rubrieken=["081110"])])
    places = {"bind": "127.0.0.1:0", "metrics_bind": "127.0.0.1:0"}
    notice = {"notice_keys_file": files.pop("notice_keys_file")}
    signing = {"checkpoint_key_file": files.pop("checkpoint_key_file")}
    with collecting(pki, tmp_path) as collector:
        sending = {
            "logboek_hosts": f"localhost:{collector.port}", "logboek_internal_networks": "127.0.0.0/8,::1/128",
            "logboek_every": "0.2",
        }  # fmt: skip
        dsns = {"database_url": database.url("tenants"), "inzage_url": database.url("inzage")}
        sealing = {
            "database_url": database.url("sealer"),
            "metrics_bind": "127.0.0.1:0",
            "every": "0.2",
            "seal_every": "0.2",
        }
        async with (
            started("tenants", tmp_path, **dsns, **places, **files, **notice, **sending) as tenants,
            started("sealer", tmp_path, **sealing, **notice, **signing) as sealer,
            aiohttp.ClientSession() as session,
        ):
            here = Installation(Api(tenants.url, tenants.metrics, keys, session), collector, tenants, sealer)
            shown = await ask_everything(here.api, collector)
            await ask_badly(here)
            # A collector is sent what is recorded from its choice on.
            await register.call(world, ANNA, BRAM, rubrieken="010240")
            await metric(sealer.metrics.removesuffix("/metrics"), "koppelpunt_sealed_leaves_total", bool)
            await until(lambda: bool(collector.received))
            counted = [await (await session.get(one.metrics)).read() for one in (tenants, sealer)]
        exported = await output_of(
            "register", "export", str(tmp_path / "export"), "--tenant", world.oin, "--reason", CASE,
            "--opened", files["register_keyring_file"], "--database-url", database.url("inzage"),
        )  # fmt: skip
    written = {"tenants": tenants.output.read_bytes(), "sealer": sealer.output.read_bytes(), "export": exported}
    secrets = secrets_of(database, files | notice | signing, keys, world, shown)
    for name, text in written.items():
        assert found_in(text, secrets) == [], name
    for text in counted:
        assert found_in(text, secrets) == []
    persons = {name: secrets[name] for name in ("Anna", "Bram", "Cees", "A-nummer", "naam", "adres", "gebruiker")}
    assert found_in(collector.octets, persons) == []
    # What was asked with is not echoed, but for the name of a field that there is not, to who wrote it.
    assert [name for text in here.refusals for name in found_in(text.encode(), secrets) if name != "field"] == []
    assert len(here.refusals) == 10
    check_lines(written["tenants"])
    # The export itself, which is for whom it is, does hold what was looked for.
    assert any(found_in(one.read_bytes(), {"Anna": ANNA}) for one in (tmp_path / "export").iterdir())


def secrets_of(
    database: Database, files: Mapping[str, str], keys: Mapping[str, str], world: World, shown: list[str]
) -> dict[str, str]:
    """Every text that was sent about persons, and every secret of the installation."""
    register = json.loads(Path(files["register_keyring_file"]).read_text())
    private = {f"register key {number} {part}": value for number, parts in register["versions"].items()
               for part, value in parts.items() if part != "public"}  # fmt: skip
    assert private
    assert shown
    return {
        "Anna": ANNA, "Bram": BRAM, "Cees": CEES, "A-nummer": A_NUMMER, "naam": NAAM, "adres": STREET, "gebruiker": USER,
        "balie": DESK, "zaak": CASE, "reden": WHY, "in path": IN_PATH, "in query": IN_QUERY, "in body": IN_BODY,
        "betrokkene": BETROKKENE, "field": FIELD, "wrong key": WRONG_KEY, "API key": world.api_key,
        "collector": SECRET_OF_COLLECTOR, "password": database.cluster.password,
        "notice key": Path(files["notice_keys_file"]).read_text().strip(),
        "checkpoint key": "".join(Path(files["checkpoint_key_file"]).read_text().splitlines()[1:-1]),
        **{f"key of {name}": key for name, key in keys.items()},
        **{f"shown {number}": one for number, one in enumerate(shown)},
        **private,
    }  # fmt: skip


def check_lines(log: bytes) -> None:
    """The lines are there: what was searched is what an operator reads."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
    asked = {line["actie"] for line in lines if line["event"] == "beheer"}
    assert {"maakInzageverzoek", "maakUitkomst", "maakDatalekrapport", "maakGebruiksrapport", "maakCorrectielijst",
            "trekSteekproef", "leesSteekproef", "oordeel"} <= asked  # fmt: skip
    security = [line for line in lines if line["event"] == "veiligheid"]
    assert {"onbekendeSleutel", "ongeldigToken"} <= {line["resultaat"] for line in security}
    fields = {
        "actie",
        "object",
        "resultaat",
        "status",
        "reden",
        "oorsprong",
        "onderdeel",
        "actor",
        "event",
        "level",
        "tijdstempel",
    }
    assert {frozenset(line) for line in security} == {frozenset(fields)}
    assert {line["oorsprong"] for line in security} == {"127.0.0.1"}
