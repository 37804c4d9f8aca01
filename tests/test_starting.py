"""A process that cannot begin says so in one line, for whoever must act, and ends with a status that restarts it."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.awaiting import database_answers
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
def test_a_process_without_its_database_waits_says_so_in_one_line_and_ends_when_it_is_told_to(command, tmp_path):
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
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", command, *words], env=kept | settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(listening.fileno(), telling),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            more, wrong = process.communicate(timeout=100)
    os.close(telling)
    os.close(reading)
    line = json.loads(said)
    assert line["event"] == "database_awaited"
    assert (line["reason"], line["level"]) == ("databaseUnreachable", "warning")
    assert "operator" in line["act"]
    assert SECRET not in said
    assert (process.returncode, more, wrong) == (0, "", "")


class Connection:
    async def close(self, *, timeout: float) -> None:
        assert timeout > 0


def connecting(*errors: Exception) -> Callable[[], Awaitable[Connection]]:
    """A database that answers in the end."""
    left = list(errors)

    async def connect() -> Connection:
        if left:
            raise left.pop(0)
        return Connection()

    return connect


async def awaiting(connect: Callable[[], Awaitable[Connection]], *, is_over: bool = False) -> bool:
    shutdown, watchers = asyncio.Event(), asyncio.create_task(asyncio.sleep(60))
    if is_over:
        shutdown.set()
    try:
        return await database_answers(connect, shutdown, watchers, lambda: 0.0)
    finally:
        watchers.cancel()


AWAY = (ConnectionRefusedError(111, "refused"), socket.gaierror(-3, "later"), asyncpg.CannotConnectNowError("starting"))


async def test_what_passes_by_itself_is_waited_for_with_one_line_before_and_one_after():
    with capture_logs() as lines:
        assert await awaiting(connecting(*AWAY))
    assert [one["event"] for one in lines] == ["database_awaited", "database_answers"]
    with capture_logs() as lines:
        assert await awaiting(connecting())
    assert lines == []


async def test_what_no_waiting_mends_ends_the_process():
    with pytest.raises(asyncpg.InvalidPasswordError):
        await awaiting(connecting(*AWAY, asyncpg.InvalidPasswordError(SECRET)))


async def test_who_is_told_to_end_while_it_waits_ends():
    assert not await awaiting(connecting(*AWAY * 1000), is_over=True)
