"""A process that cannot begin says so in one line, for whoever must act, and ends with a status that restarts it."""

import json
import os
import socket
import ssl
import subprocess
import sys

import asyncpg
import pytest

from gateway.demo.ground import lay_ground
from gateway.errors import Malformed, RegisterUnavailable
from gateway.servers import NotTheMainServer
from gateway.starting import hindrance_of, telling_why_not

SECRET = "geheim-4713"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(111, "refused"), "databaseUnreachable"),
        (ConnectionResetError(), "databaseUnreachable"),
        (TimeoutError(), "databaseUnreachable"),
        (OSError("Multiple exceptions: [Errno 111], [Errno 111]"), "databaseUnreachable"),
        (FileNotFoundError(2, "a socket of PostgreSQL"), "databaseUnreachable"),
        (NotTheMainServer("a standby"), "databaseUnreachable"),
        (asyncpg.CannotConnectNowError("starting up"), "databaseUnreachable"),
        (asyncpg.TooManyConnectionsError(SECRET), "databaseUnreachable"),
        (asyncpg.InterfaceError("connection is closed"), "databaseUnreachable"),
        (asyncpg.InvalidPasswordError(SECRET), "databaseRefuses"),
        (asyncpg.InvalidCatalogNameError(SECRET), "databaseRefuses"),
        (asyncpg.UndefinedTableError("relation"), "databaseNotMigrated"),
        (asyncpg.InsufficientPrivilegeError("permission"), "databaseNotMigrated"),
        (asyncpg.InvalidSchemaNameError("schema"), "databaseNotMigrated"),
        (RegisterUnavailable("registerVerkeerdeRol", "Verkeerd."), "registerVerkeerdeRol"),
        (FileNotFoundError(2, "no such file", "/run/secrets/gateway.pem"), "fileUnreadable"),
        (PermissionError(13, "permission denied", "/run/secrets/gateway.key"), "fileUnreadable"),
        (ssl.SSLError(1, "key values mismatch"), "certificateUnusable"),
        (OSError(98, "address in use"), "addressUnusable"),
        (PermissionError(13, "a port below 1024"), "addressUnusable"),
        (socket.gaierror(-2, "not known"), "nameUnknown"),
    ],
)
def test_what_an_operator_can_mend_has_a_reason_of_its_own(error, code, capsys):
    with pytest.raises(SystemExit) as ended, telling_why_not():
        raise error
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert code in said
    assert "Let the operator" in said
    assert SECRET not in said


@pytest.mark.parametrize("error", [KeyError("a"), AssertionError(), Malformed("onleesbaar", "x"), RuntimeError("x")])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    assert hindrance_of(error) is None
    with pytest.raises(type(error)), telling_why_not():
        raise error


def test_what_goes_wrong_once_it_serves_is_not_told_as_a_beginning():
    with pytest.raises(ConnectionResetError), telling_why_not() as beginning:  # noqa: PT012 - the order is what is tried
        beginning.is_over = True
        raise ConnectionResetError


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_a_process_without_its_database_says_so_in_one_line_and_ends_with_status_1(command, tmp_path):
    ground = lay_ground(tmp_path / "world")
    reading, telling = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as held:
        # Nobody speaks PostgreSQL there: it is held so that nobody else can take the port, and closed before it is asked.
        url = f"postgresql://someone:{SECRET}@127.0.0.1:{held.getsockname()[1]}/koppelpunt"
        held.close()
        settings = ground.gateway_environment(url, bind="127.0.0.1:0")
        words = {
            "worker": ["--slot", "0", "--listen-fd", str(listening.fileno()), "--ready-fd", str(telling)]
        }.get(command, [])  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
        done = subprocess.run(
            [sys.executable, "-m", "gateway", command, *words], env=kept | settings, capture_output=True, text=True,
            timeout=100, check=False, pass_fds=(listening.fileno(), telling),
        )  # fmt: skip
    os.close(telling)
    os.close(reading)
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    line = json.loads(done.stdout)
    assert line["event"] == "not_started"
    assert (line["reason"], line["level"]) == ("databaseUnreachable", "critical")
    assert "operator" in line["act"]
    assert SECRET not in done.stdout
