"""What the writing function keeps: gap-free numbers, and hashes that any reader can make again."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.db.calls import closing, data_key, opening, uuid7
from tests.worlds import make_world


async def count(admin: asyncpg.Connection, table: str) -> int:
    number: int = await admin.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
    return number


async def test_numbers_are_gap_free_per_writer_and_tenant_whatever_is_refused(begin_writer, world, other, admin):
    writers = [await begin_writer(), await begin_writer()]
    bases: dict[tuple[int, int], int] = {}
    for writer in writers:
        for _ in range(3):
            rows = [
                opening(one, base=bases.get((writer.writer_id, one.tenant_id), 0), **change)
                for one in (world, other)
                for change in ({}, {"machtiging_version": 9}, {"key_id": 9_999}, {"refusal": "nietGemachtigd"}, {})
            ]
            for answer in await writer.write(rows, keys=[data_key(row) for row in rows]):
                row = next(row for row in rows if row["id"] == answer.id)
                if answer.number is not None:
                    key = (writer.writer_id, row["tenant_id"])
                    bases[key] = max(bases.get(key, 0), answer.number)
    found = await admin.fetch(
        "SELECT writer_id, tenant_id, array_agg(number ORDER BY number) FROM register.opening GROUP BY 1, 2"
    )
    assert len(found) == 4
    assert all(numbers == list(range(1, 10)) for _, _, numbers in found)


async def test_the_hash_of_an_opening_can_be_made_again_from_its_row(writer, world, admin):
    odd = {"operation": 'é "quoted" \\ \u0001 \u007f \u2028', "zoekrubrieken": "", "question_type": None}
    for answer, _ in (await writer.open(world, **odd), await writer.open(world, base=1, refusal="niet\tGemachtigd")):
        row = await admin.fetchrow("SELECT * FROM register.opening_whole WHERE number = $1", answer.number)
        assert row["hash"] == answer.hash == sha256_of(
            "register/opening/1", row["tenant_id"], row["id"], row["writer_id"], row["number"],
            microseconds(row["opened_at"]), row["aansluiting_id"], row["aansluiting_version"], row["machtiging_id"],
            row["machtiging_version"], row["mandate_id"], row["mandate_version"], row["taaksysteem_tenant_id"],
            row["taaksysteem_id"], row["taaksysteem_version"], row["acting_oin"], row["afnemer_id"],
            row["organisation_oin"], row["certificate_oin"], row["fingerprint"] and row["fingerprint"].hex(),
            row["doelbinding"], row["grondslag"], row["ontvanger"], row["verwerkingsactiviteit"], row["refusal"],
            row["api"], row["operation"], row["question_type"], row["zoekrubrieken"], row["rubrieken"],
            row["trace_id"], row["user_index"], row["data_key_id"], hashlib.sha256(row["sealed"]).hexdigest(),
        )  # fmt: skip


@pytest.mark.parametrize("persons", [0, 1, 3])
async def test_the_hash_of_a_closing_covers_its_opening_and_its_persons(writer, world, admin, persons):
    opened, row = await writer.open(world)
    found = [(row["id"], world.tenant_id, uuid7(), message) for message in ("", "m1", "M,2")[:persons]]
    (closed,) = await writer.write(closings=[closing(row)], persons=found * 2)
    kept = await admin.fetchrow("SELECT * FROM register.closing")
    lines = sorted(f"{person}/{message}" for _, _, person, message in found)
    digest = hashlib.sha256(canonical(lines)).hexdigest() if lines else None
    assert opened.hash is not None
    assert kept["hash"] == closed.hash == sha256_of(
        "register/closing/1", kept["tenant_id"], kept["id"], kept["writer_id"], kept["number"],
        microseconds(kept["closed_at"]), opened.hash.hex(), kept["outcome"], kept["status"], kept["code"],
        kept["persons"], kept["unidentified"], kept["question_bytes"], kept["answer_bytes"], kept["token_us"],
        kept["upstream_us"], kept["total_us"], digest, kept["data_key_id"],
        hashlib.sha256(kept["sealed"]).hexdigest(),
    )  # fmt: skip
    assert await count(admin, "register.person") == persons


async def test_openings_and_closings_go_in_one_statement_each_with_its_own_numbers(writer, world, admin):
    _, first = await writer.open(world)
    second = opening(world, base=1, data_key_id=first["data_key_id"])
    answers = await writer.write([second], [closing(first)])
    assert {(answer.kind, answer.id, answer.verdict, answer.number) for answer in answers} == {
        (b"o", second["id"], None, 2),
        (b"c", first["id"], None, 1),
    }


async def test_persons_and_messages_of_no_closing_are_not_written(writer, world, other, admin):
    _, row = await writer.open(world)
    await writer.write(
        closings=[closing(row)],
        persons=[(row["id"], other.tenant_id, uuid7(), ""), (uuid7(), world.tenant_id, uuid7(), "")],
        messages=[(row["id"], other.tenant_id, "m1"), (uuid7(), world.tenant_id, "m1")],
    )
    assert await count(admin, "register.person") + await count(admin, "register.fetched_message") == 0


async def test_productie_and_proef_are_written_apart(begin_writer, world, registrar, pki, keyrings, admin):
    trial = await make_world(
        registrar, pki, keyrings, oin="00000001009999999000", afnemer_id="990003", environment="proef"
    )
    productie, proef = await begin_writer(), await begin_writer("proef")
    assert (await productie.open(trial))[0].verdict == "onbekend"
    assert (await proef.open(world))[0].verdict == "onbekend"
    assert (await productie.open(trial, refusal="nietGemachtigd"))[0].verdict == "onbekend"
    answer, row = await proef.open(trial)
    assert answer.verdict is None
    (closed,) = await proef.write(closings=[closing(row)], persons=[(row["id"], trial.tenant_id, uuid7(), "")])
    assert closed.verdict is None
    for table in ("opening", "closing", "person"):
        assert (await count(admin, f"register.{table}"), await count(admin, f"proef.{table}")) == (0, 1)


def sha256_of(*values: object) -> bytes:
    return hashlib.sha256(canonical([str(one) if isinstance(one, UUID) else one for one in values])).digest()


def canonical(values: list[object] | list[str]) -> bytes:
    return json.dumps(values, separators=(", ", ": "), ensure_ascii=False).encode()


def microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
