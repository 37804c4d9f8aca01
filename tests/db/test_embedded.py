"""The embedded PostgreSQL starts by itself and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from gateway.embedded import DatabaseUnavailable, given_server, postgres_server
from tests.databases import Cluster

_PROJECT = Path(__file__).resolve().parents[2]


def directory_of(url: str) -> Path:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        return Path(row[0]).parent


def test_a_server_starts_from_copied_programs_and_its_directory_is_gone_afterwards():
    with postgres_server(copy_programs=True) as postgres:
        with psycopg.connect(postgres.url("postgres")) as connection:
            row = connection.execute(
                "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')"
            ).fetchone()
        assert row == ("UTF8", "on")
        directory = directory_of(postgres.url("postgres"))
        assert directory.is_dir()
    assert not directory.exists()


def test_settings_are_those_asked_for():
    with (
        postgres_server(settings={"fsync": "off", "max_connections": "7"}) as postgres,
        psycopg.connect(postgres.url("postgres")) as connection,
    ):
        row = connection.execute("SELECT current_setting('fsync'), current_setting('max_connections')").fetchone()
    assert row == ("off", "7")


def test_a_connection_without_the_password_is_refused():
    with postgres_server() as postgres, pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(postgres.url("postgres", "postgres", "wrong")).close()


def test_the_server_and_its_directory_are_gone_when_its_maker_is_killed():
    program = (
        "import time\n"
        "from gateway.embedded import postgres_server\n"
        "with postgres_server() as postgres:\n"
        "    print(postgres.url('postgres'), flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=_PROJECT) as maker:
        assert maker.stdout is not None
        url = maker.stdout.readline().strip()
        directory = directory_of(url)
        os.kill(maker.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while directory.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url).close()


def test_a_given_server_is_used_as_it_is(postgres_cluster: Cluster):
    url = postgres_cluster.postgres.url("postgres")
    with postgres_server(url) as postgres:
        assert postgres.port == postgres_cluster.postgres.port


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql:///x", "postgresql://a:b@127.0.0.1:1/x"])
def test_a_given_server_that_cannot_be_used_is_refused(url: str):
    with pytest.raises(DatabaseUnavailable):
        given_server(url)
