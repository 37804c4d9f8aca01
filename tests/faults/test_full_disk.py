"""A disk that is full, under the tables or under the write-ahead log: nothing half-written, and service comes back."""

from tests.faults.clusters import Rack
from tests.faults.scene import scene


async def test_a_full_disk_under_the_tables_refuses_calls_until_there_is_room(servers: Rack, stock, tmp_path, caller):
    main = servers.migrated("main", stock, disks={"data": 160})
    async with scene(main, tmp_path / "world", caller) as here:
        await here.do(main.fill, "data")
        await here.refusals(40, 60)
        ready = await here.is_down()
        # What PostgreSQL said is what the operator reads: disk full.
        assert ready["reasons"]["register productie"] == "53100"
        await here.do(main.make_room, "data")
        await here.answers()
        await here.is_up()
        await here.settle(main)


async def test_a_full_disk_under_the_log_stops_the_server_and_loses_nothing(servers: Rack, stock, tmp_path, caller):
    main = servers.migrated("main", stock, disks={"wal": 100})
    async with scene(main, tmp_path / "world", caller) as here:
        await here.do(main.fill, "wal")
        # PostgreSQL stops by itself (PANIC) as soon as it needs another file of the log.
        await here.do(main.use_up_log)
        await here.refusals(40)
        await here.is_down()
        await here.do(main.make_room, "wal")
        if main.processes[-1].poll() is not None:
            await here.do(main.start)
        await here.answers()
        await here.is_up()
        await here.settle(main)
