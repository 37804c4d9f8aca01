"""The four weeks of a request for inzage are told of a week before they end and when they have, until it is closed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from tests.notices.conftest import told

DAY = timedelta(days=1)
# What is long ago is told of no more, by the database's own clock.
RECEIVED = datetime.now(UTC).date()
END = datetime.combine(RECEIVED + 29 * DAY, time(), ZoneInfo("Europe/Amsterdam")).astimezone(UTC)
"""The twenty-eighth day after it is the last, and counts whole."""


async def verzoek(admin: asyncpg.Connection, tenant_id: int, received: date = RECEIVED) -> int:
    number: int = await admin.fetchval(
        "INSERT INTO register.inzageverzoek (tenant_id, actor, received_on, law, period_from, period_until, represented, year, "
        "  sealed_id, sealed) VALUES ($1, 'auditor/1', $2, 'wet-brp-3.22', '2020-01-01', '2021-01-01', false, 2026, "
        "  gen_random_uuid(), '\\x00') RETURNING inzageverzoek_id",
        tenant_id, received,
    )  # fmt: skip
    return number


async def step(admin: asyncpg.Connection, tenant_id: int, number: int, kind: str) -> None:
    await admin.execute(
        "INSERT INTO register.inzageverzoek_stap (tenant_id, inzageverzoek_id, actor, kind, method, by_whom, done_at, note) "
        "VALUES ($1, $2, 'auditor/1', $3, 'DigiD', 'K. Bakker', now(), 'x')",
        tenant_id, number, kind,
    )  # fmt: skip


async def test_a_request_is_told_of_a_week_before_and_when_its_term_is_over_and_not_before(
    raiser, sealer, admin, world, contact
):
    await contact(world, "fg")
    number = await verzoek(admin, world.tenant_id)
    await step(admin, world.tenant_id, number, "identiteit")
    for left in (27, 14, 8, 7, 6.5, 0.01, 0, -1, -30):
        for _ in range(2):
            await raiser.raise_notices(sealer, END - left * DAY)
    found = await told(admin, "inzagetermijn")
    assert [(row["object"], row["threshold"], row["due_at"]) for row in found] == [
        (str(number), "7", END),
        (str(number), "einde", END),
    ]
    assert found[0]["subject"] == f"De termijn van inzageverzoek {number} loopt af over 7 dagen"
    assert "om 00:00" in found[1]["words"]
    assert "auditor/1" not in found[1]["words"]


async def test_what_was_sent_withdrawn_or_refused_in_time_is_not_told(raiser, sealer, admin, world, contact):
    await contact(world, "fg")
    for kind in ("verzonden", "ingetrokken", "afgewezen"):
        await step(admin, world.tenant_id, await verzoek(admin, world.tenant_id), kind)
    await raiser.raise_notices(sealer, END - 3 * DAY)
    await raiser.raise_notices(sealer, END + 3 * DAY)
    assert await told(admin, "inzagetermijn") == []
