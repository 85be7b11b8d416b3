"""The state machine finds faults: some are planted, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from redis.exceptions import ResponseError
from tests.support.state_machine.driver import NAMESPACE, Counts
from tests.support.state_machine.machine import BUCKETS, run
from tests.support.state_machine.server import Server

from threadmill_shared.store.scripts import loader
from threadmill_shared.store.scripts.loader import Script

pytestmark = pytest.mark.any_server

BUDGET = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)

TOKEN_IS_NOT_CHECKED = (
    """  if record[1] ~= token then
    return 'stale'
  end
""",
    "",
)
NEXT_IS_TAKEN_BEFORE_THE_RELEASE = (
    """  redis.call('HSET', bucket .. 'thread:' .. thread_id, 'head', '')
  local next_in_line = redis.call('ZPOPMIN', bucket .. 'line:' .. thread_id)[1]
  if not next_in_line then
    return '', ''
  end
  local queue = take_head(bucket, thread_id, next_in_line, now)
""",
    """  local next_in_line = redis.call('ZPOPMIN', bucket .. 'line:' .. thread_id)[1]
  local queue = next_in_line and take_head(bucket, thread_id, next_in_line, now)
  redis.call('HSET', bucket .. 'thread:' .. thread_id, 'head', '')
  if not next_in_line then
    return '', ''
  end
""",
)
AN_APPEND_IS_APPLIED_TWICE = (
    """elseif outcome ~= 'again' then
  return {outcome}
""",
    """elseif outcome ~= 'again' then
  return {outcome}
else
  if #rest == 0 then
    log(bucket, run_id, count, records, now)
  else
    apply(bucket, run_id, redis.call('HGET', run, 'thread_id'), count, records, rest, now)
  end
""",
)
A_CALL_COUNTS_AS_NOT_BEGUN = (
    """  local may_have_begun = marks[2] or marks[3] or marks[4]
""",
    """  local may_have_begun = marks[3] or marks[4]
""",
)
METADATA_MAKE_A_RUN = (
    """local record = redis.call('HMGET', run, 'status', 'metadata')
if not record[1] then
  return {'gone'}
end
""",
    "local record = redis.call('HMGET', run, 'status', 'metadata')",
)
A_RUN_BRINGS_ONE_MESSAGE_ONLY = (
    "for at = 1, #brought, 2 do",
    "for at = 1, math.min(#brought, 2), 2 do",
)
OUTPUTS_ARE_STORED_WITHOUT_THE_OTHERS = (
    """if whole == '1' and #pending < count_waiting_for_output(calls) then
  return {'idle'}
end
""",
    "",
)
METADATA_OF_ANY_MESSAGE_ARE_KEPT = (
    """  return {'no_message'}
""",
    "",
)
A_MESSAGE_IS_DELETED_UNDER_A_RUN = (
    """  return {'no_message'}
end
if known[2] and known[2] ~= '' then
  return {'locked', known[2]}
end
""",
    """  return {'no_message'}
end
""",
)
POSITIONS_ARE_GIVEN_OUT_AGAIN = (
    "redis.call('ZREM', messages, message_id)\n",
    "redis.call('ZREM', messages, message_id)\nredis.call('HINCRBY', thread, 'last', -1)\n",
)
A_REQUEST_IS_FORGOTTEN = ("note_requested(request, requested, made, now, now)\n", "")
ONE_OBJECT_GOES_TO_TWO_REPEATS = (" and object.tries < tries ", " ")


LINES_OF_LISTS = (
    "\nlist_new_run(bucket, run_id, place, assistants)\n",
    "list_run(bucket, run_id, 'in_progress')\n",
    "list_run(bucket, run_id, 'requires_action')\n",
    "list_run(bucket, run_id, 'queued')\n",
    "list_run(bucket, run_id, 'cancelling')\n",
    "list_ended_run(bucket, run_id, status, record[5], digits(now + record[8]))\n",
    "    redis.call('ZREM', bucket .. was, run_id)\n",
    "    add_to_indexes(bucket, errors, place, run_id)\n",
    "    redis.call('ZADD', bucket .. 'expiring', gone_at, member)\n",
    "  redis.call('ZREM', bucket .. 'expiring', run_id .. ' ' .. words)\n",
    "  remove_from_indexes(bucket, 'all_runs ' .. words, run_id)\n",
    "remove_from_indexes(bucket, 'active ' .. (known[3] or ''), thread_id)\n",
    "  list_thread(bucket, thread_id, now)\n",
    "\nlist_thread(bucket, thread_id, now)\n",
    "  add_to_indexes(bucket, 'active ' .. words, at, thread_id)\n",
    "  redis.call('ZREM', bucket .. 'tombs', thread_id)\n",
    "  remove_from_indexes(bucket, known[3] or '', thread_id)\n",
    "  redis.call('HDEL', thread, 'listed')\n",
    "    list_thread(bucket, thread_id, place)\n",
)
"""Each keeps an index of a list."""


@pytest.fixture
def server(redis_url: str) -> Iterator[Server]:
    server = Server(redis_url, NAMESPACE, BUCKETS)
    yield server
    server.close()


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        pytest.param(
            TOKEN_IS_NOT_CHECKED, "stale|arithmetic on local 'last'", id="the token is not checked"
        ),
        pytest.param(
            NEXT_IS_TAKEN_BEFORE_THE_RELEASE,
            "ought to be",
            id="the next run is taken before the release",
        ),
        pytest.param(
            AN_APPEND_IS_APPLIED_TWICE, "changed something", id="an append is applied twice"
        ),
        pytest.param(
            A_CALL_COUNTS_AS_NOT_BEGUN,
            "ought to be",
            id="a call counts as not begun",
        ),
        pytest.param(
            OUTPUTS_ARE_STORED_WITHOUT_THE_OTHERS,
            "ought to answer",
            id="outputs are stored without the others",
        ),
        pytest.param(
            A_RUN_BRINGS_ONE_MESSAGE_ONLY,
            "ought to be",
            id="a run's messages get lost",
        ),
        pytest.param(METADATA_MAKE_A_RUN, "ought to", id="metadata make a run"),
        pytest.param(
            METADATA_OF_ANY_MESSAGE_ARE_KEPT,
            "ought to",
            id="metadata of any message are kept",
        ),
        pytest.param(
            A_MESSAGE_IS_DELETED_UNDER_A_RUN,
            "ought to",
            id="a message is deleted under a run",
        ),
        pytest.param(
            POSITIONS_ARE_GIVEN_OUT_AGAIN,
            "ought to|smaller than the target stream",
            id="positions are given out again",
        ),
        pytest.param(A_REQUEST_IS_FORGOTTEN, "ought to", id="a request is forgotten"),
        pytest.param(
            ONE_OBJECT_GOES_TO_TWO_REPEATS,
            "ought to",
            id="one object goes to two repeats",
        ),
    ],
)
def test_the_state_machine_finds_a_planted_fault(
    fault: tuple[str, str], wanted: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(fault, monkeypatch)
    # Without the token's check a script may also stumble over a run that is gone.
    with pytest.raises((AssertionError, ResponseError), match=wanted):
        run(server, Counts(), BUDGET)


@pytest.mark.parametrize("line", LINES_OF_LISTS, ids=str.strip)
def test_the_state_machine_misses_each_line_that_keeps_an_index_of_lists(
    line: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant((line, "\n"), monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        run(server, Counts(), BUDGET)


def plant(fault: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Load all scripts with a piece of their text replaced; some script must have that piece."""
    sound = loader.script
    old, new = fault
    planted: dict[str, Script] = {}
    for name in (
        "enqueue",
        "claim",
        "append",
        "finish",
        "cancel",
        "force_end",
        "release",
        "reclaim",
        "park",
        "approve",
        "submit",
        "submit_all",
        "add_messages",
        "delete_thread",
        "update_thread",
        "set_message_metadata",
        "delete_message",
        "remove_runs",
        "set_run_metadata",
        "note_delivery",
    ):
        text = sound(name).text.replace(old, new)
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        planted[name] = replace(sound(name), text=text, sha=sha)
    assert any(planted[name].text != sound(name).text for name in planted), "the fault fits nowhere"
    monkeypatch.setattr(loader, "script", lambda name: planted.get(name) or sound(name))
