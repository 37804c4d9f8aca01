"""What a command says when the database refuses it or is not there: one sentence for whoever must act, never a traceback."""

import asyncpg
import psycopg
import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.database_refusals import words_of
from tenants.keyring import dump, public_half
from tests.worlds import Keyrings

SECRET = "geheim-4713"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncpg.InvalidPasswordError(SECRET), "does not accept this user, password or database"),
        (asyncpg.InvalidCatalogNameError(SECRET), "does not accept this user, password or database"),
        (asyncpg.InsufficientPrivilegeError(SECRET), "the user that --help names"),
        (psycopg.errors.InsufficientPrivilege(SECRET), "the user that --help names"),
        (asyncpg.UndefinedTableError(SECRET), "run `koppelpunt migrate`"),
        (asyncpg.InvalidSchemaNameError(SECRET), "run `koppelpunt migrate`"),
        (asyncpg.CannotConnectNowError(SECRET), "is starting"),
        (asyncpg.TooManyConnectionsError(SECRET), "cannot be reached"),
        (ConnectionRefusedError(111, SECRET), "cannot be reached"),
        (psycopg.OperationalError(SECRET), "cannot be reached, or does not accept"),
        (asyncpg.CheckViolationError(SECRET), "PostgreSQL refuses this (CheckViolationError)."),
    ],
)
def test_each_kind_of_refusal_has_its_sentence_and_none_repeats_postgresql(error, said):
    assert said in words_of(error)
    assert type(error).__name__ in words_of(error)
    assert SECRET not in words_of(error)


@pytest.fixture
def commands(tmp_path):
    """A command per way to the database, without its URL."""
    keyrings = Keyrings()
    for name in ("identity", "register"):
        (tmp_path / name).write_text(dump(public_half(getattr(keyrings, name))))
    (tmp_path / "one.yaml").write_text(
        "tenants:\n  - {oin: '00000001002564440000', name: Gemeente Duinwijk, kind: gemeente}\n"
    )
    public = ["--identity-public", str(tmp_path / "identity")]
    return {
        "migrate": ["migrate"],
        "admin-key": ["admin-key", "--role", "operator", "--name", "x", *public],
        "apply": ["registry", "apply", str(tmp_path / "one.yaml"), *public, "--register-public", str(tmp_path / "register")],
        "export": ["registry", "export"],
        "retention": ["register", "retention", "--dry-run"],
        "verbindingstest": ["verbindingstest", "--tenant", "0" * 20, "--aansluiting", "1"],
    }  # fmt: skip


def refused(line: list[str], url: str) -> str:
    ended = CliRunner().invoke(main, [*line, "--database-url", url])
    # What is not told ends as an exception with its traceback.
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code in {1, 2}
    assert ended.stderr.startswith("Error: ")
    assert SECRET not in ended.output
    return ended.stderr


def test_no_command_ends_in_a_traceback_for_a_server_that_is_away_or_a_login_that_is_wrong(commands, database):
    own = database.url("sealer")
    for name, line in commands.items():
        assert refused(line, "nonsense"), name
        assert refused(line, f"postgresql://x:{SECRET}@127.0.0.1:1/x"), name
        for wrong in (own + "x", own.replace("//", f"//{SECRET}", 1)):
            assert "does not accept this user, password or database" in refused(line, wrong), name


@pytest.mark.parametrize("name", ["migrate", "admin-key", "apply"])
def test_a_user_of_another_role_is_sent_to_the_one_that_help_names(commands, database, name):
    assert "the user that --help names" in refused(commands[name], database.url("inzage"))
