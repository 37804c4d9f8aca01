"""A private directory for keys and logs, and a caller with its ledger."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.e2e.ledgers import Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Caller(session)
