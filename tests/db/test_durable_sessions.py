"""What was confirmed is not lost, whoever confirmed it: each session says so itself, and no default overrules it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.catalogue import make_catalogue, read_catalogue
from gateway.errors import RegisterUnavailable
from gateway.keeping import check_keeping
from gateway.servers import Timelines, connect
from gateway.starting import hindrance_of
from tenants.pools import pool_of

ROOT = Path(__file__).parents[2]
OTHERWISE = {
    "gateway/register/session.py",  # asks and checks it itself (gateway.register.fitness), and keeps a stronger one
    "gateway/sharing_store.py",  # pools over gateway.servers.connect
    "gateway/quota.py",
}


def openings() -> Iterator[tuple[str, ast.Call]]:
    """Every place in the product where a session is opened."""
    for path in sorted([*(ROOT / "gateway").rglob("*.py"), *(ROOT / "tenants").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("gateway/demo/") or name in OTHERWISE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"asyncpg.connect", "asyncpg.create_pool"}:
                yield f"{name}:{node.lineno}", node


def test_every_session_of_the_product_is_opened_as_one_that_waits_for_its_commits():
    found = list(openings())
    assert len(found) >= 10
    settings = {
        place: [ast.unparse(k.value) for k in call.keywords if k.arg == "server_settings"] for place, call in found
    }
    assert [place for place, given in settings.items() if not given or "DURABLE" not in given[0]] == []


@pytest.mark.parametrize("role", ["tenants", "inzage"])
async def test_a_weaker_default_of_role_and_database_weakens_no_session(database, role):
    admin = await asyncpg.connect(database.url("admin"))
    url = database.url(role)
    try:
        await admin.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        plain = await asyncpg.connect(url)
        assert await plain.fetchval("SHOW synchronous_commit") == "off"
        await plain.close()
        async with pool_of(url, role, size=1) as pool:
            # The second time it is a session that was given back, and so reset.
            for _ in range(2):
                assert await pool.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await admin.execute(f"ALTER DATABASE {database.name} RESET synchronous_commit")
        await admin.close()


async def test_what_the_gateway_keeps_beside_the_register_waits_too(database):
    admin = await asyncpg.connect(database.url("admin"))
    try:
        await admin.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        connection = await connect(database.url("gateway"), Timelines())
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        await connection.close()
    finally:
        await admin.execute(f"ALTER DATABASE {database.name} RESET synchronous_commit")
        await admin.close()


def test_a_register_that_keeps_nothing_is_for_no_productie_of_rvig():
    shipped = read_catalogue()
    real = {
        one.name: one.model_copy(update={"trust_anchors_file": "/pkio.pem"}) for one in shipped.environments.values()
    }
    simulated = [one.model_copy(update={"base_url": "https://localhost:1", "token_url": "https://localhost:1/t"})
                 for one in real.values()]  # fmt: skip
    with pytest.raises(RegisterUnavailable) as refused:
        check_keeping("none", make_catalogue(tuple(real.values())))
    # The operator reads it in the one line of a process that did not begin.
    hindrance = hindrance_of(refused.value)
    assert hindrance is not None
    assert (hindrance.code, "productie" in hindrance.act) == ("registerBewaartNiets", True)
    for durability in ("disk", "standby"):
        check_keeping(durability, make_catalogue(tuple(real.values())))
    check_keeping("none", make_catalogue(tuple(simulated)))
    # Nothing can be asked there: no anchors, so no connection.
    check_keeping("none", shipped)
