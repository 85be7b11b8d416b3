"""What a function returns becomes text, and what it may ask about its call."""

import asyncio
from datetime import date
from enum import Enum

import pytest
from tests.support.tool_functions import CONTEXT, Line, Point, lambda_like

from threadmill_shared.errors import CallerError, ToolError
from threadmill_shared.tools import (
    ENDRUN_TOKEN,
    CallContext,
    EndRun,
    NoCurrentCall,
    Tool,
    as_tool,
    calling,
    current_call,
    render_output,
)

# ---- outputs ---------------------------------------------------------------------------------


class Mood(str, Enum):  # noqa: UP042 - the older way, whose str() is its name
    GOOD = "good"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, ""),
        (Mood.GOOD, "good"),
        ([1, 2], "[1,2]"),
        ({"a": None}, '{"a":null}'),
        (True, "true"),
        (float("nan"), "null"),
        (Line(article="pen"), '{"article":"pen","count":1}'),
        (Point(1.0, 2.0), '{"x":1.0,"y":2.0}'),
        ([Line(article="ü")], '[{"article":"ü","count":1}]'),
        (date(2026, 1, 2), '"2026-01-02"'),
        ("half \ud83d pair", "half ? pair"),
    ],
)
def test_outputs_are_text_as_it_is_and_json_otherwise(value, text):
    assert render_output(value) == text


def test_an_output_that_json_lacks_is_a_tool_error_with_advice():
    with pytest.raises(ToolError, match=r"object.*cannot be written as JSON.*Use a str"):
        render_output([object()][0])
    circle: list = []
    circle.append(circle)
    with pytest.raises(ToolError, match="ircular"):
        render_output(circle)


def test_end_run_carries_data_as_json():
    assert EndRun().data is None
    assert EndRun(data={"a": Line(article="pen")}).json_data() == {
        "a": {"article": "pen", "count": 1}
    }
    with pytest.raises(ToolError, match=r"EndRun\(data=...\)"):
        EndRun(data=object()).json_data()
    assert len(ENDRUN_TOKEN) > 20


# ---- the current call ------------------------------------------------------------------------


def test_the_current_call_is_known_inside_only():
    with calling(CONTEXT):
        assert current_call() is CONTEXT
    with pytest.raises(NoCurrentCall, match="inside a tool") as caught:
        current_call()
    assert isinstance(caught.value, CallerError)
    assert isinstance(caught.value, LookupError)


def test_each_asyncio_task_has_its_own_current_call():
    async def inside(number):
        context = CallContext(
            run_id="r", thread_id="t", call_id=str(number), attempt=1, idempotency_key="k"
        )
        with calling(context):
            await asyncio.sleep(0)
            return current_call().call_id

    async def main():
        return await asyncio.gather(*(inside(number) for number in range(5)))

    assert asyncio.run(main()) == ["0", "1", "2", "3", "4"]


def test_tools_are_tools():
    assert isinstance(as_tool(lambda_like), Tool)
    assert as_tool(as_tool(lambda_like)) is as_tool(lambda_like)
