"""The rack and the stock of the faults' tests."""

from tests.faults.conftest import servers as servers  # noqa: PLC0414
from tests.faults.conftest import stock as stock  # noqa: PLC0414
