"""The page's examples of instructions, lifecycle and threads, with the import line changed.

Each is a script, run as a process of its own: against a worker that has never seen it, and without
any setting, where it brings its own server and worker. It checks itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.conftest import Lasting
from tests.acceptance.surroundings import embedded_environment, stretched

from threadmill.embedded_server import FOLDER, end_server
from threadmill.testing import Answer, Request, StandIn, converse

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

ROWS = {
    "10 instructions see self_": """
        from threadmill import Assistant, errors

        class Pirate(Assistant):
            ship: str = "Pequod"

        ai = Pirate(
            name="Ahab",
            metadata={"rank": "captain"},
            instructions=(
                "{% if self_.metadata.rank == 'captain' %}{{ self_.name }} commands the "
                "{{ self_.ship }}{% else %}nobody{% endif %}, {{ self_.tools | length }} tools."
            ),
        )
        assert ai.say("instructions?").text == "Ahab commands the Pequod, 0 tools."

        for bad in ("{{ self_.nothing }}", "{% if %}", "{{ self_.__class__ }}"):
            thread = ai.default_thread
            before = thread.get_messages()
            try:
                ai.say("Hello!", instructions=bad)
            except errors.BadTemplate:
                assert thread.get_messages() == before
            else:
                raise AssertionError(bad)
    """,
    "16 lazy": """
        from threadmill import Assistant

        ai = Assistant()
        run = ai.say("Hello, Marvin!")
        assert run.status == "completed" and ai.id is None
    """,
    "17 context": """
        from threadmill import Assistant, errors

        ai = Assistant()
        with ai:
            registered = ai.id
            assert registered and Assistant.load(registered).name == ai.name
            ai.say("Hi!")
            with ai:
                ai.say("Bye!")
            assert ai.id == registered
        assert ai.id is None
        try:
            Assistant.load(registered)
        except errors.AssistantNotFound:
            pass
        else:
            raise AssertionError("it is still there")
    """,
    "18 by hand": """
        from threadmill import Assistant

        ai = Assistant()
        ai.create()
        ai.say("Hello!")
        for wrong in (ai.create, lambda: Assistant().delete()):
            try:
                wrong()
            except ValueError:
                pass
            else:
                raise AssertionError(wrong)
        ai.delete()
        assert ai.id is None
    """,
    "19 with an id": """
        from threadmill import Assistant

        original = Assistant(name="Marvin", instructions="Be gloomy.")
        original.create()
        ai = Assistant(id=original.id, name="Marvin", tools=[])
        run = ai.say("instructions?")
        assert run.text == "Be gloomy." and run.assistant_name == "Marvin"
        assert Assistant.load(original.id).id == original.id, "it was deleted"
        original.delete()
    """,
    "20-21 load": """
        from threadmill import Assistant

        def my_tool() -> str:
            return "The answer is 42"

        ai = Assistant(tools=[my_tool])
        ai.create()
        for loaded in (
            Assistant.load(ai.id), Assistant.load(id=ai.id), Assistant.load(assistant_id=ai.id)
        ):
            assert [tool.name for tool in loaded.tools] == ["my_tool"]
        ai_2 = Assistant.load(id=ai.id, tools=[my_tool])
        run = ai_2.say("call my_tool {}")
        assert run.steps[0].tool_calls[0].output == "The answer is 42"
        ai.delete()
    """,
    "22 async with": """
        import asyncio
        from threadmill import Assistant

        async def main():
            async with Assistant() as ai:
                run = await ai.say_async("hi")
                assert ai.id and run.status == "completed"
            assert ai.id is None

        asyncio.run(main())
    """,
    "24-26 threads": """
        from threadmill import Assistant, Thread

        thread = Thread()
        thread.add("Hello there!")
        thread.add("How are you?")
        messages = thread.get_messages()
        assert [message.text for message in messages] == ["Hello there!", "How are you?"]

        ai = Assistant()
        thread.run(ai)
        thread = Thread(id=thread.id)
        thread.run(assistant=ai)
        assert [message.role for message in thread.get_messages()] == [
            "user", "user", "assistant", "assistant"
        ]
    """,
    "27 reading messages": """
        from threadmill import Thread

        thread = Thread()
        thread.create([str(number) for number in range(120)])

        def texts(**options):
            return [int(message.text) for message in thread.get_messages(**options)]

        assert texts() == list(range(100, 120))
        assert texts(limit=1) == [119]
        assert texts(limit=100) == list(range(20, 120))
        middle = thread.get_messages(limit=50)[0]
        assert middle.text == "70"
        assert texts(limit=3, before_message=middle.id) == [67, 68, 69]
        assert texts(limit=3, after_message=middle.id) == [71, 72, 73]
        for limit in (0, 101):
            try:
                texts(limit=limit)
            except ValueError:
                pass
            else:
                raise AssertionError(limit)
    """,
}
"""By the row of the page."""


def told(request: Request) -> Answer | str:
    """The stand-in says what its instructions are, where it is asked for them."""
    asked = request.last_user_text == "instructions?"
    return request.instructions or "none" if asked else converse(request)


@pytest.fixture(scope="module")
def provider(lasting: Lasting) -> StandIn:
    lasting.workers.start("bot")
    lasting.standin.brain = told
    return lasting.standin


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if (tmp_path / FOLDER).exists():
        end_server(tmp_path / FOLDER)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("where", ["worker", "embedded"])
@pytest.mark.parametrize("row", ROWS)
def test_an_example_does_what_the_page_says(row: str, where: str, folder: Path) -> None:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(ROWS[row]))
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env=dict(os.environ) if where == "worker" else embedded_environment(),
        capture_output=True,
        text=True,
        timeout=stretched(60),
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
