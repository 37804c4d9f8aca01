"""Our TLS as a stranger sees it: testssl.sh and openssl look at the real listeners, and nothing that they may object to is offered."""

import asyncio
import json
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hardening.conftest import Ground
from tests.hardening.listeners import BOUND, Listener, gateway_process, tenants_process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

TOOLS = Path(__file__).resolve().parents[2] / ".venv" / "tools"
GOOD_SUITE = re.compile(
    r"TLS_(AES_(128|256)_GCM|CHACHA20_POLY1305)_\w+|ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM|CHACHA20)-\w+"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_tls(ground: Ground) -> AsyncIterator[dict[str, Listener]]:
    """Both listeners, with a certificate of a private services CA and its chain."""
    here = ground.world.ground
    certificate, key = str(here.directory / "gateway.pem"), str(here.directory / "gateway.key")
    async with AsyncExitStack() as stack:
        gateway = gateway_process(ground.world, certificate_file=certificate, key_file=key)
        tenants = tenants_process(ground.world, ground.admin_key, CERTIFICATE_FILE=certificate, KEY_FILE=key)
        yield {
            "gateway": await stack.enter_async_context(gateway),
            "tenants": await stack.enter_async_context(tenants),
        }


@pytest.fixture(params=["gateway", "tenants"])
def listener(request: pytest.FixtureRequest, over_tls: dict[str, Listener]) -> Listener:
    return over_tls[request.param]


async def s_client(listener: Listener, said: bytes, *options: str) -> str:
    """What openssl has to tell of a connection over which `said` was said."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{listener.port}", "-servername", "localhost", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(2 * BOUND):
        told, _ = await process.communicate(said)
    return told.decode(errors="replace")


async def test_the_chain_is_whole_without_its_root(listener: Listener, ground: Ground) -> None:
    told = await s_client(listener, b"", "-CAfile", str(ground.world.ground.trust_anchors), "-verify_return_error")
    assert "Verify return code: 0 (ok)" in told
    assert "Compression: NONE" in told
    await listener.serves()


@pytest.mark.parametrize("version", ["-ssl3", "-tls1", "-tls1_1"])
async def test_older_versions_get_no_handshake(listener: Listener, version: str) -> None:
    told = await s_client(listener, b"", version, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is ECDHE" not in told
    assert "Server certificate" not in told


@pytest.mark.parametrize(
    "suites",
    ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA", "DHE-RSA-AES256-GCM-SHA384", "aNULL:eNULL"],
)
async def test_suites_without_forward_secrecy_or_authentication_get_no_handshake(
    listener: Listener, suites: str
) -> None:
    told = await s_client(listener, b"", "-tls1_2", "-cipher", f"{suites}:@SECLEVEL=0")
    assert "Server certificate" not in told


async def test_a_client_cannot_renegotiate(listener: Listener) -> None:
    """`R` on a line of its own lets openssl ask for it."""
    told = await s_client(listener, b"R\n", "-tls1_2")
    assert "RENEGOTIATING" in told
    assert "no renegotiation" in told or "write:errno" in told or "unexpected eof" in told
    await listener.serves()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_ticket_is_given_whose_key_would_open_what_was_recorded(
    listener: Listener, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
    writer.write(listener.good)
    # Tickets of TLS 1.3 would have come before the answer.
    assert (await asyncio.wait_for(reader.readline(), BOUND)).startswith(b"HTTP/1.1 200 ")
    session = writer.get_extra_info("ssl_object").session
    assert session is None or not session.has_ticket
    writer.close()


async def test_http_1_alone_is_agreed(listener: Listener) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()


async def test_handshakes_that_stop_halfway_cost_nobody_else_anything(listener: Listener) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    halfway = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(100)]
    for _, writer in halfway:
        writer.write(hello)
    assert await listener.serves() < 5
    for _, writer in halfway:
        writer.transport.abort()


@pytest.fixture
def testssl(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """The command, and an environment in which it finds its data and asks no name server."""
    command = shutil.which("testssl") or shutil.which("testssl", path=TOOLS / "bin")
    if command is None:
        if os.environ.get("CI"):
            pytest.fail("testssl.sh is not there: `make test` gets it by tests/install-tools")
        pytest.skip("testssl.sh is not there: run tests/install-tools .venv/tools")
    # Debian's testssl demands one of four resolvers to be there, even where it is told to resolve nothing.
    stand_in = tmp_path / "bin" / "host"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nexit 1\n")
    stand_in.chmod(0o755)
    unpacked = Path(command).resolve().parents[2] / "etc" / "testssl"
    data = unpacked if unpacked.is_dir() else Path("/etc/testssl")
    return command, {
        **os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}", "TESTSSL_INSTALL_DIR": str(data),
    }  # fmt: skip


ATTACKS = (
    "CRIME_TLS",
    "heartbleed",
    "CCS",
    "ticketbleed",
    "ROBOT",
    "POODLE_SSL",
    "SWEET32",
    "FREAK",
    "DROWN",
    "LUCKY13",
)
LOOKED_AT = {
    # Protocols, suites and renegotiation, and each known attack that the answers to them do not settle already.
    "gateway": ["-p", "-s", "-R", "-C", "-H", "-I", "-T", "--robot", "-O", "-Z", "-W", "-F", "-D", "-L"],
    # Another server before the same kind of listener: what its own settings could have left open.
    "tenants": ["-p", "-s", "-R"],
}
"""The certificate is the installation's own (`test_the_chain_is_whole_without_its_root`); of its key agreement see docs/threat-model.md."""


async def test_testssl_finds_nothing_to_object_to(listener: Listener, ground: Ground, testssl, tmp_path: Path) -> None:
    command, environment = testssl
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        command, "--quiet", "--warnings", "batch", "--color", "0", "--nodns", "none", "--assume-http",
        *LOOKED_AT[listener.name],
        "--openssl", shutil.which("openssl") or "openssl", "--add-ca", str(ground.world.ground.trust_anchors),
        "--jsonfile", str(report), f"127.0.0.1:{listener.port}",
        env=environment, cwd=tmp_path, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    found = {one["id"]: one for one in json.loads(report.read_text())}
    assert "scanTime" in found, said.decode(errors="replace")[-2000:]
    for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert found[version]["finding"].startswith("not offered"), found[version]
    assert found["TLS1_2"]["finding"] == "offered"
    assert found["TLS1_3"]["finding"].startswith("offered")
    for weak in ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE"):
        assert found[f"cipherlist_{weak}"]["finding"].startswith("not offered"), found[f"cipherlist_{weak}"]
    assert found["cipherlist_STRONG"]["finding"] == "offered"
    assert found["secure_renego"]["severity"] == found["secure_client_renego"]["severity"] == "OK"
    for attack in ATTACKS if listener.name == "gateway" else ():
        assert found[attack]["severity"] in {"OK", "INFO"}, found[attack]
    objections = [one for one in found.values() if one["severity"] in {"LOW", "MEDIUM", "HIGH", "CRITICAL"}]
    assert objections == []


async def test_what_is_agreed_is_always_ephemeral_and_authenticated(listener: Listener) -> None:
    """Each suite that OpenSSL knows is offered alone; what is agreed is on the list of NCSC."""
    agreed = set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    names = [one["name"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"]
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for name in names:
        context.set_ciphers(f"{name}:@SECLEVEL=0")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
        except (ssl.SSLError, ConnectionError):
            continue
        agreed.add(writer.get_extra_info("cipher")[0])
        writer.close()
    assert len(names) > 50
    assert agreed
    assert [name for name in agreed if not GOOD_SUITE.fullmatch(name)] == []
