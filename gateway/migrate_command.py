"""`koppelpunt migrate`: the database to this version, and what had to wait for it."""

from pathlib import Path

import click

from gateway.database_refusals import words_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--database-url", envvar="KOPPELPUNT_DATABASE_URL", help="Of a user that may make roles and schemas.")
@click.option("--database-url-file", envvar="KOPPELPUNT_DATABASE_URL_FILE", type=_FILE, help="A file with that URL.")
@click.option("--finish", is_flag=True, help="Also what had to wait until no process of the version before runs.")
def migrate(database_url: str | None, database_url_file: Path | None, *, finish: bool) -> None:
    """Bring the database to this version. Safe to run twice, and (but for --finish) beside the version before."""
    from migrations.command import REFUSED  # noqa: PLC0415 - SQLAlchemy is for this command alone
    from migrations.command import migrate as run  # noqa: PLC0415
    from migrations.finishing import UnfinishedError  # noqa: PLC0415
    from migrations.finishing import finish as run_finish  # noqa: PLC0415

    if (database_url is None) == (database_url_file is None):
        raise click.UsageError("Give --database-url or --database-url-file, and not both.")
    try:
        url = database_url or Path(database_url_file or "").read_text(encoding="utf-8").strip()
        run(url)
        if finish:
            run_finish(url)
    except (UnfinishedError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except REFUSED as error:
        raise click.ClickException(words_of(error)) from None
