"""The one plan of the writing function serves an empty registry and a full one."""

from tests.db.calls import closing, data_key, opening, uuid7


async def test_a_write_looks_everything_up_by_key_however_small_the_tables_were_at_its_first_time(
    writer, world, other, admin
):
    await admin.execute("ANALYZE")
    _, row = await writer.open(world)
    async with writer.connection.transaction():
        batch = [opening(one, base=1) for one in (world, other) * 4]
        answers = await writer.write(
            batch, [closing(row)], [(row["id"], world.tenant_id, uuid7(), "")], keys=[data_key(one) for one in batch]
        )
        assert {answer.verdict for answer in answers} == {None}
        rows = await writer.connection.fetch(
            "SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE seq_scan + idx_scan > 0"
        )
    assert {row["relname"] for row in rows} >= {"machtiging", "aansluiting", "certificate", "taaksysteem", "running"}
    assert [row["relname"] for row in rows if row["seq_scan"]] == []
