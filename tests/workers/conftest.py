"""A caller with its ledger, as in the end-to-end tests."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.e2e.ledgers import Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Caller(session)
