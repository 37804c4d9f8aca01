"""From a caller's answer to a proof: the receipt in the header is the record that was sealed, signed and exported."""

import json

import aiohttp
import asyncpg

from tenants.checkpoints import VerifierKey, origin_of
from tenants.export.running import Wish, export_register
from tenants.sealer.signing import Signer
from tenants.verify.expecting import Trust
from tenants.verify.receipts import check_archive, check_live, read_receipts
from tenants.verify.running import verify_archive, verify_live
from tests.export.independent import read_export
from tests.export.stage import quiet
from tests.trees.stage import seal, sign_all
from tests.world import question
from tests.world import world as make_world


async def test_what_a_caller_got_is_what_its_tenant_can_prove(database, tmp_path, signer: Signer):
    async with make_world(database, tmp_path / "ground") as world:
        first, second = await world.add_members(2)
        receipts: list[str] = []
        async with world.gateway() as url, aiohttp.ClientSession() as session:
            for member, count in ((first, 12), (second, 3)):
                for _ in range(count):
                    headers = {"x-api-key": member.api_key}
                    async with session.post(f"{url}/api/brp/personen", json=question(), headers=headers) as answer:
                        assert answer.status == 200, await answer.text()
                        if member is first:
                            receipts.append(answer.headers["x-protocol-bewijs"])
            async with session.post(f"{url}/api/brp/personen", json={"type": "onzin"}, headers=headers) as answer:
                assert answer.status in {400, 403}
        sealing = await asyncpg.connect(database.url("sealer"))
        reader = await asyncpg.connect(database.url("inzage"))
        try:
            await seal(sealing)
            assert await sign_all(sealing, signer) == [True, True]
            oin = first.account.oin
            key = VerifierKey(origin_of(signer.prefix, oin), signer.keys[0].public_key().public_bytes_raw())
            live = await verify_live(reader, oin, Trust([key]), quiet, reason="controle", actor="auditor")
            wish = Wish(oin, "overdracht", "auditor", register=world.ground.register)
            await export_register(reader, wish, tmp_path / "export", quiet)
            checked = await check_live(reader, oin, read_receipts(receipts), reason="bewijzen", actor="auditor")
        finally:
            await sealing.close()
            await reader.close()
    assert live.faults == ()
    assert (checked.receipts, checked.faults) == (12, [])
    verdict = verify_archive(tmp_path / "export", Trust([key]), quiet)
    assert (verdict.faults, verdict.tally.closings) == ((), 12)
    assert check_archive(tmp_path / "export", read_receipts(receipts), Trust([key])).faults == []
    _, rows = read_export(tmp_path / "export")
    closings = [row for row in rows if row["kind"] == "closing"]
    assert {f"{row['row']['id']}:{row['row']['number']}:{row['hash']}" for row in closings} == set(receipts)
    opened = closings[0]["contents"]
    assert opened["persons"] == ["999941112"]
    assert json.loads(opened["answer"])["personen"]
