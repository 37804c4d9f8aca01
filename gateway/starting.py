"""Why a process could not begin: one line of the log, that says who must act, in place of a traceback.

Told are only faults that an operator can mend, by their kind; any other is a fault of the program and keeps its traceback.
The text of an error is never told: a driver's may hold the URL of the database.
"""

import errno
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from gateway.errors import OperatorError
from gateway.servers import NotTheMainServer

_UNREACHABLE: Final = "Let the operator see to the database: it does not answer, is starting, or takes no writes"
_REFUSED: Final = "Let the operator mend DATABASE_URL: the server does not accept this user, password or database"
_NOT_MIGRATED: Final = "Let the operator run `koppelpunt migrate` of this version, and give the database user its role"
_FILE: Final = "Let the operator mend the file that a setting names: it is not there, or may not be read"
_TLS: Final = "Let the operator mend CERTIFICATE_FILE, KEY_FILE and CLIENT_CA_FILE: they cannot be used together"
_NAME: Final = "Let the operator mend the host name in DATABASE_URL, BIND or METRICS_BIND: it is not known"
_ADDRESS: Final = "Let the operator mend BIND or METRICS_BIND: the address is in use, or not of this machine"

_KINDS: Final[tuple[tuple[tuple[type[BaseException], ...], str, str], ...]] = (
    ((asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError), "databaseRefuses", _REFUSED),
    ((asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError), "databaseNotMigrated", _NOT_MIGRATED),
    ((NotTheMainServer, ConnectionError, TimeoutError), "databaseUnreachable", _UNREACHABLE),
    ((asyncpg.PostgresError, asyncpg.InterfaceError), "databaseUnreachable", _UNREACHABLE),
    ((ssl.SSLError,), "certificateUnusable", _TLS),
    ((socket.gaierror,), "nameUnknown", _NAME),
)
"""Kinds of error, the most particular first."""
_OF_ADDRESSES: Final = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What kept a process from beginning: a stable code, and what is to be done by whom."""

    code: str
    act: str


@dataclass(slots=True)
class Beginning:
    """Whether the process serves by now; from then on nothing that goes wrong is about its beginning."""

    is_over: bool = False


def hindrance_of(error: BaseException) -> Hindrance | None:
    """What an operator can do about it; None for a fault of the program."""
    if isinstance(error, OperatorError):
        # The register is not fit: in its own words, which are Dutch.
        return Hindrance(error.code, f"Let the operator act: {error.detail}")
    for kinds, code, act in _KINDS:
        if isinstance(error, kinds):
            return Hindrance(code, act)
    if isinstance(error, OSError):
        if error.filename:
            # Only what was opened by its name has one.
            return Hindrance("fileUnreadable", _FILE)
        if error.errno in _OF_ADDRESSES:
            return Hindrance("addressUnusable", _ADDRESS)
        # Of a name with several addresses the driver gives one error without a number.
        return Hindrance("databaseUnreachable", _UNREACHABLE)
    return None


@contextmanager
def telling_why_not() -> Iterator[Beginning]:
    """End with status 1 and one line when what is done here cannot begin. Raises what it cannot explain."""
    beginning = Beginning()
    try:
        yield beginning
    except Exception as error:
        found = None if beginning.is_over else hindrance_of(error)
        if found is None:
            raise
        structlog.get_logger("koppelpunt.start").critical(
            "not_started", reason=found.code, act=found.act, error=type(error).__name__
        )
        sys.exit(1)
