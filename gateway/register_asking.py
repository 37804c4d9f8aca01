"""How the commands about a register ask the database, and how they say what cannot be done.

Owns the one connection of a command, who is recorded as asking, and status 2 for what is no fault of the register.
"""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from gateway.database_refusals import words_of
from tenants.durable import DURABLE

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")


class CannotBeDone(click.ClickException):
    """Nothing came out: status 2, so that it is not taken for a fault of the register."""

    exit_code = 2


def connected(url: str | None, run: "Callable[[asyncpg.Connection], Awaitable[T]]") -> T:
    """What `run` gives, over a connection of its own. A URL that is not there is a fault of usage."""
    import asyncpg  # noqa: PLC0415

    async def work() -> T:
        connection = await asyncpg.connect(
            needed(url, "--database-url"),
            server_settings={**DURABLE, "application_name": "koppelpunt-register", "plan_cache_mode": "force_custom_plan", "timezone": "UTC"},
        )  # fmt: skip
        try:
            return await run(connection)
        finally:
            await connection.close()

    return asyncio.run(work())


@contextmanager
def told() -> Iterator[None]:
    """Say plainly why something cannot be done, and end with status 2."""
    import asyncpg  # noqa: PLC0415

    from tenants.checkpoints import BadNote  # noqa: PLC0415
    from tenants.export.archive import ArchiveError  # noqa: PLC0415
    from tenants.faults import RegistryError  # noqa: PLC0415
    from tenants.keyring import KeyringError  # noqa: PLC0415
    from tenants.sealing import SealingError  # noqa: PLC0415
    from tenants.tree_nodes import TreeDamaged  # noqa: PLC0415

    try:
        yield
    except (
        ArchiveError,
        BadNote,
        KeyringError,
        RegistryError,
        SealingError,
        TreeDamaged,
        ValueError,
        OSError,
    ) as error:
        raise CannotBeDone(str(error)) from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError) as error:
        raise CannotBeDone(
            f"The database went away: {type(error).__name__}. Nothing is said of the register."
        ) from None
    except asyncpg.PostgresError as error:
        raise CannotBeDone(words_of(error)) from None


def needed(value: str | None, name: str) -> str:
    """The value of an option that this form of the command cannot do without."""
    if not value or not value.strip():
        raise click.UsageError(f"{name} is needed here.")
    return value


def actor() -> str:
    """Who asks, for the record of readings."""
    return f"command line ({getpass.getuser()})"
