"""`koppelpunt keys …`: make, check and rotate the keyrings.

Runs as the operator, on a host where the whole keyrings may be. What touches the database does so as a user in the role
koppelpunt_keys. Standard output says what came out, standard error how far it is; status 1: something is not as it should
be; 2: it could not be done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from gateway.database_refusals import words_of
from gateway.hardening import forbid_dumps
from gateway.issued import SigningKeysError
from gateway.keys import NAMES, KeyFiles, check_all, make_all
from gateway.progress import show_progress
from gateway.register_asking import CannotBeDone
from tenants.durable import DURABLE
from tenants.keyring import Keyring, KeyringError
from tenants.rotating.standing import Counted, faults_of, lines_of, uses_of

if TYPE_CHECKING:
    import asyncpg

    from tenants.rotating.running import Rotated

T = TypeVar("T")
_DIRECTORY: Final = click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
_URL: Final = click.option(
    "--database-url", envvar="KOPPELPUNT_KEYS_URL", help="Of a user in the role koppelpunt_keys."
)
_WHICH: Final = click.option(
    "--keyring", "names", type=click.Choice(NAMES), multiple=True, help="One of them; both when it is not given."
)
_YES: Final = click.option("--yes", is_flag=True, help="Do not ask.")
_MOST_TOLD: Final = 50


@click.group()
def keys() -> None:
    """Make, check and rotate the keyrings."""
    forbid_dumps()


@keys.command("make")
@_DIRECTORY
def make_keys(directory: Path) -> None:
    """Make both keyrings, their public halves and the token signing keys in DIRECTORY. Overwrites nothing."""
    with _told():
        for path in make_all(directory):
            click.echo(str(path))


@keys.command("check")
@_DIRECTORY
@_URL
def check_keys(directory: Path, database_url: str | None) -> None:
    """Check that the files in DIRECTORY are whole, belong together and, with a database, open everything in it."""
    with _told():
        for line in check_all(directory):
            click.echo(line)
        if database_url is None:
            return
        counted = _connected(database_url, _count)
        keyrings = [KeyFiles(directory, name).read() for name in NAMES]
        faults = [fault for keyring in keyrings for fault in faults_of(keyring, counted)]
        opened = 0
        for keyring in keyrings:
            seen, closed = _opened(database_url, keyring)
            opened += seen - len(closed)
            faults += [f"does not open: {name} {number} of tenant {tenant_id}" for name, tenant_id, number in closed]
    for fault in faults:
        click.echo(f"fault: {fault}", err=True)
    if faults:
        raise SystemExit(1)
    hashes = sum(one.count for one in counted if one.kind == "hash")
    click.echo(f"database: all {opened} sealed values open, and the versions of {hashes} hashes are here")


@keys.command("add-version")
@_DIRECTORY
@_WHICH
def add_version_to_keys(directory: Path, names: tuple[str, ...]) -> None:
    """Prepare a new version: every process must have it before anything is sealed with it."""
    with _told():
        for name in names or NAMES:
            keyring = KeyFiles(directory, name).prepare()
            click.echo(
                f"{name}: version {max(keyring.versions)} is prepared; {keyring.current} is still the current one"
            )
    click.echo("Give the files to every gateway and tenants process and reload them; then: koppelpunt keys rotate")


@keys.command("rotate")
@_DIRECTORY
@_WHICH
@click.option("--status", is_flag=True, help="Only say how many rows are on which version.")
@click.option("--batch", type=click.IntRange(1, 1000), default=50, show_default=True, help="Values per transaction.")
@_YES
@_URL
def rotate_keys(
    directory: Path, names: tuple[str, ...], *, status: bool, batch: int, yes: bool, database_url: str | None
) -> None:
    """Seal everything to the newest version, beside a running installation. Broken off, it goes on when run again."""
    url = _needed(database_url)
    with _told():
        keyrings = [KeyFiles(directory, name).read() for name in names or NAMES]
        counted = _connected(url, _count)
        if status:
            _show(keyrings, counted)
            return
        _must_open_everything(keyrings, counted)
        keyrings = [_advanced(KeyFiles(directory, one.name), one, counted, yes=yes) for one in keyrings]
        outcomes = [_rotated(url, keyring, batch) for keyring in keyrings]
        counted = _connected(url, _count)
    _show(keyrings, counted)
    for keyring, outcome in zip(keyrings, outcomes, strict=True):
        _tell(keyring, outcome, counted)
    if not all(outcome.whole for outcome in outcomes):
        raise SystemExit(1)


@keys.command("drop-version")
@_DIRECTORY
@click.option("--keyring", "name", type=click.Choice(NAMES), required=True)
@click.option("--version", "version", type=int, required=True)
@_YES
@_URL
def drop_version_of_keys(directory: Path, name: str, version: int, *, yes: bool, database_url: str | None) -> None:
    """Take a version out of a keyring when nothing uses it any more. It is kept apart, for backups of before."""
    url = _needed(database_url)
    with _told():
        files = KeyFiles(directory, name)
        files.read()
        uses = uses_of(name, version, _connected(url, _count))
        for one in uses:
            click.echo(f"still on version {version}: {one.count} of {one.name}", err=True)
        if any(one.kind == "hash" for one in uses):
            _tell_hashes(url, files.read().current)
        if uses:
            raise CannotBeDone(f"Version {version} stays: {sum(one.count for one in uses)} values name it.")
        if not yes:
            click.confirm(f"Is version {version} the current one of no process any more?", abort=True)
        kept = files.drop(version)
    click.echo(
        f"dropped. {kept} holds it: keep it as long as a backup of before the rotation, away from both, then destroy it."
    )


def _advanced(files: KeyFiles, keyring: Keyring, counted: Iterable[Counted], *, yes: bool) -> Keyring:
    """The keyring that seals with its newest version. Raises KeyringError when there is nothing to rotate to."""
    newest = max(keyring.versions)
    if newest == keyring.current:
        if not files.is_settled():
            files.write(keyring)
        if len(keyring.versions) == 1 and not [
            one for one in counted if one.keyring == keyring.name and one.version != newest
        ]:
            raise KeyringError(
                f"Keyring {keyring.name} has one version: make the next one with `koppelpunt keys add-version`."
            )
        return keyring
    if not yes:
        click.confirm(
            f"Does every gateway and tenants process already run with version {newest} of {keyring.name}?", abort=True
        )
    return files.advance()


def _rotated(url: str, keyring: Keyring, batch: int) -> "Rotated":
    from tenants.rotating.rows import lock_rotation  # noqa: PLC0415
    from tenants.rotating.running import rotate  # noqa: PLC0415

    async def work(connection: "asyncpg.Connection") -> "Rotated":
        if not await lock_rotation(connection):
            raise KeyringError("Another rotation is under way.")
        return await rotate(connection, keyring, on_progress=on_progress, batch=batch)

    with show_progress(f"sealing to {keyring.name} version {keyring.current}") as on_progress:
        return _connected(url, work)


def _opened(url: str, keyring: Keyring) -> tuple[int, list[tuple[str, int, int]]]:
    from tenants.rotating.running import find_closed  # noqa: PLC0415

    with show_progress(f"opening with {keyring.name}") as on_progress:
        return _connected(url, lambda connection: find_closed(connection, keyring, on_progress=on_progress))


def _must_open_everything(keyrings: Iterable[Keyring], counted: Sequence[Counted]) -> None:
    faults = [fault for keyring in keyrings for fault in faults_of(keyring, counted)]
    if faults:
        raise KeyringError("Nothing was rotated: " + "; ".join(faults) + ".")


def _show(keyrings: Iterable[Keyring], counted: Sequence[Counted]) -> None:
    for keyring in keyrings:
        click.echo(f"{keyring.name}: current version {keyring.current}")
        for line in lines_of(keyring, counted):
            click.echo(line)


def _tell(keyring: Keyring, outcome: "Rotated", counted: Sequence[Counted]) -> None:
    click.echo(f"{keyring.name}: {outcome.moved} values sealed to version {keyring.current}")
    if outcome.held:
        click.echo(f"{outcome.held} were held by others all the time: run this again", err=True)
    for name, tenant_id, number in outcome.closed:
        click.echo(f"does not open, and was left: {name} {number} of tenant {tenant_id}", err=True)
    remaining = sum(
        one.count
        for one in counted
        if one.keyring == keyring.name and one.kind == "hash" and one.version != keyring.current
    )
    if remaining:
        click.echo(f"{remaining} hashes of secrets stay on older versions until their secret is used or has ended")
    click.echo(
        f"Give {keyring.name}.keyring and {keyring.name}.public to the processes again; then run this once more."
    )


def _tell_hashes(url: str, current: int) -> None:
    """Say whose keys they are: who uses one moves it, and who lost one gets a new one."""
    from tenants.rotating.rows import list_old_hashes  # noqa: PLC0415

    for one in _connected(url, lambda made: list_old_hashes(made, current, most=_MOST_TOLD)):
        whose = f"of {one.oin or 'the operator'}" + ("" if one.taaksysteem is None else f", {one.taaksysteem}")
        click.echo(f"  key {one.number} {whose}: unused since, ends {one.valid_until}", err=True)


async def _count(connection: "asyncpg.Connection") -> list[Counted]:
    from tenants.rotating.rows import count_versions  # noqa: PLC0415

    return await count_versions(connection)


def _connected(url: str, run: Callable[["asyncpg.Connection"], Awaitable[T]]) -> T:
    import asyncpg  # noqa: PLC0415

    from tenants.pools import must_have_role  # noqa: PLC0415

    async def work() -> T:
        connection = await asyncpg.connect(
            url, timeout=10, command_timeout=60,
            server_settings={**DURABLE, "application_name": "koppelpunt-keys", "lock_timeout": "2s"},
        )  # fmt: skip
        try:
            await must_have_role(connection, role="koppelpunt_keys")
            return await run(connection)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(work())


def _needed(url: str | None) -> str:
    if not url:
        raise click.UsageError("--database-url is needed here.")
    return url


@contextmanager
def _told() -> Iterator[None]:
    """Say plainly why something cannot be done, and end with status 2."""
    import asyncpg  # noqa: PLC0415

    from tenants.pools import WrongRole  # noqa: PLC0415

    try:
        yield
    except (KeyringError, SigningKeysError, WrongRole, ValueError, OSError, TimeoutError) as error:
        raise CannotBeDone(str(error) or type(error).__name__) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotBeDone(words_of(error)) from None
