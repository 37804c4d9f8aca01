"""The server on uvloop, whose transports differ from asyncio's just where a connection ends."""

import asyncio

import pytest
import uvloop

from tests.edge import test_serve as on_asyncio

SCENARIOS = [
    on_asyncio.test_a_head_that_never_ends_is_refused_at_its_limit,
    on_asyncio.test_a_slow_head_is_cut_off,
    on_asyncio.test_an_idle_connection_is_closed_and_a_busy_one_is_not,
    on_asyncio.test_one_connection_carries_many_requests_pipelined_ones_too,
    on_asyncio.test_a_refused_body_that_still_comes_neither_hangs_nor_loses_the_answer,
    on_asyncio.test_a_caller_that_does_not_read_its_answer_is_cut_off,
    on_asyncio.test_a_caller_that_hangs_up_cancels_nothing,
    on_asyncio.test_a_caller_that_has_closed_its_half_still_gets_its_answer,
    on_asyncio.test_stopping_lets_running_calls_end_and_closes_idle_connections,
    on_asyncio.test_stopping_waits_no_longer_than_its_limit,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("test_"))
def test_on_uvloop(scenario):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def test_tls_on_uvloop(tmp_path_factory):
    files = on_asyncio.make_server_files(tmp_path_factory.mktemp("tls"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(on_asyncio.test_tls_is_1_2_or_1_3_with_the_suites_that_may_be_used(files))
