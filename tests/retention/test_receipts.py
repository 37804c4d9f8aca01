"""A receipt of a call that had its term is answered for by the proof of its destruction, and by nothing less."""

import dataclasses

import pytest

from tenants.verify.receipts import ReceiptHeld, check_archive, check_live
from tests.retention.stage import Past
from tests.retention.test_destroying import OLD


@pytest.fixture
async def held(past: Past) -> list[ReceiptHeld]:
    """Receipts of calls of which those of an old month are destroyed."""
    await past.had(OLD, 3)
    await past.calls.record(past.world, 2)
    await past.seal()
    rows = await past.admin.fetch("SELECT id, number, hash FROM register.closing ORDER BY id")
    await past.destroy(rounds=5)
    assert await past.count("closing", OLD) == 0
    return [ReceiptHeld(line, row["id"], row["number"], row["hash"].hex()) for line, row in enumerate(rows, 1)]


async def check(past: Past, how: str, receipts, tmp_path):
    if how == "live":
        return await check_live(past.reader, past.world.oin, receipts, reason="controle", actor="auditor")
    return check_archive(await past.export(tmp_path / "export"), receipts, past.trust())


@pytest.mark.parametrize("how", ["live", "export"])
async def test_what_went_with_proof_is_counted_and_no_fault(past: Past, held, how, tmp_path):
    checked = await check(past, how, held, tmp_path)
    assert (checked.broken, checked.receipts, checked.destroyed, checked.faults) == (None, 5, 3, [])


@pytest.mark.parametrize("how", ["live", "export"])
async def test_another_hash_for_a_call_that_went_is_no_receipt_of_it(past: Past, held, how, tmp_path):
    checked = await check(past, how, [dataclasses.replace(held[0], hash="0" * 64), *held[1:]], tmp_path)
    assert [(one.line, trouble) for one, trouble in checked.faults] == [(1, "not_there")]
    assert checked.destroyed == 2


@pytest.mark.parametrize("how", ["live", "export"])
async def test_what_went_without_proof_is_a_fault(past: Past, held, how, tmp_path):
    await past.admin.execute("DELETE FROM register.closing WHERE id = $1", held[-1].id)
    checked = await check(past, how, held, tmp_path)
    if how == "live":
        assert [(one.line, trouble) for one, trouble in checked.faults] == [(5, "not_there")]
    else:
        assert checked.broken is not None
        assert (checked.receipts, checked.broken.code) == (0, "missing_row")


async def test_an_export_that_anybody_could_have_written_says_nothing(past: Past, held, tmp_path):
    path = await past.export(tmp_path / "export")
    rows = path / "rows-000001.ndjson"
    text = rows.read_bytes()
    rows.write_bytes(text.replace(b'"ontvanger":"', b'"ontvanger":"x', 1))
    assert rows.read_bytes() != text
    checked = check_archive(path, held, past.trust())
    assert checked.broken is not None
    assert checked.broken.code == "altered_row"
    rows.write_bytes(text)
    strangers = dataclasses.replace(past.trust(), keys=())
    broken = check_archive(path, held, strangers).broken
    assert broken is not None
    assert broken.code == "bad_signature"
