"""What a command says when PostgreSQL refuses it or is not there, and who must act. Pure.

Refuses to repeat PostgreSQL's own text: it could hold what a row holds, or the URL with its password.
"""

_RIGHT = "PostgreSQL refuses this to the database user: give the URL of the user that --help names ({})."
_LOGIN = "The server does not accept this user, password or database ({})."
_VERSION = "The database is not of this version: run `koppelpunt migrate` of this version first ({})."
_AWAY = "The database cannot be reached, is starting or went away ({})."
_NO_LOGIN = "The database cannot be reached, or does not accept this user, password or database ({})."

_WORDS = {"42501": _RIGHT, "3D000": _LOGIN, "42P01": _VERSION, "42883": _VERSION, "42703": _VERSION, "3F000": _VERSION}
"""By SQLSTATE."""
_CLASSES = {"28": _LOGIN, "08": _AWAY, "57": _AWAY, "53": _AWAY}
"""By the class of a SQLSTATE, its first two characters."""


def words_of(error: BaseException) -> str:
    """One sentence for an error of asyncpg, of psycopg or of the system."""
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, OSError):
        words = _AWAY
    elif not state and type(error).__name__ == "OperationalError":
        # libpq tells a failed login and a server that is away alike.
        words = _NO_LOGIN
    else:
        words = _WORDS.get(state) or _CLASSES.get(state[:2]) or "PostgreSQL refuses this ({})."
    return words.format(type(error).__name__)
