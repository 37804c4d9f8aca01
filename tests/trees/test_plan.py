"""What is new is found by the index of transactions, in its order, however large the register is."""

from datetime import date
from uuid import UUID

from tenants.sealer.trees import Cursor, read_new_rows
from tests.trees.stage import Calls


async def test_new_rows_come_from_the_index_of_transactions_of_each_month(calls: Calls, sealing, world, admin):
    await calls.record(world, 400)
    await sealing.fetchval("SELECT register.ensure_partitions($1)", date(2032, 1, 1))
    await admin.execute("ANALYZE")
    await sealing.execute("SET plan_cache_mode = force_custom_plan")
    last = await admin.fetchval("SELECT max(tx)::text::bigint FROM register.opening")
    async with sealing.transaction():
        rows = await read_new_rows(sealing, "opening", Cursor(last - 1, 0, UUID(int=0)), last + 1, 10)
        after = await sealing.fetch(
            "SELECT relname FROM pg_stat_xact_user_tables WHERE relname LIKE 'opening\\_%' AND seq_tup_read > 0"
        )
    assert rows
    assert after == []
