"""The page's examples of instructions and tools, and of tools that end a run."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.acceptance.marvin_parity.conftest import Play

from threadmill.testing import Call, Code, Reply, StandIn, Text, by_text, scripted
from threadmill.testing.standin.plot import sine_plot

PLOT = """
    from threadmill import Assistant, CodeInterpreter

    ai = Assistant(tools=[CodeInterpreter])
    ai.say("Generate a plot of sin(x)")
"""
REQUESTS = """
from types import SimpleNamespace
from urllib.request import urlopen

def get(url):
    with urlopen(url) as answer:
        return SimpleNamespace(content=answer.read())
"""
"""A library of the script's, `requests` as far as the page uses it; workers do not have it."""


@pytest.fixture
def web_page() -> Iterator[str]:
    """The URL of a page in the web."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<b>1. Show HN: threads that turn</b>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


def linked(lines: list[str]) -> list[Path]:
    """The files that lines are links to."""
    found = [re.fullmatch(r"  \(\S+: (file://\S+)\)", line) for line in lines]
    return [Path(unquote(urlsplit(one[1]).path)) for one in found if one]


def test_row_10_instructions_are_a_template_that_sees_self_(play: Play) -> None:
    play("""
        from threadmill import Assistant, Template, errors

        ai = Assistant(instructions="Mention the word 'banana' as often as possible")
        assert ai.say("instructions?").text == "Mention the word 'banana' as often as possible"

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
                ai.say("Hello!", instructions=Template(bad))
            except errors.BadTemplate:
                assert thread.get_messages() == before
            else:
                raise AssertionError(bad)
    """)


def test_row_11_a_plot_is_downloaded_and_linked(play: Play, tmp_path: Path) -> None:
    printed = play(PLOT)
    assert printed[0] == "User: Generate a plot of sin(x)"
    assert printed[1].startswith("  code_interpreter(import numpy as np")
    assert printed[2].startswith("Assistant: Here is the plot of sin(x)")
    [image] = linked(printed[3:])
    assert image.read_bytes() == sine_plot()
    assert image.is_relative_to(tmp_path / ".threadmill" / "files")


def test_row_11_a_terminal_has_the_code_in_a_panel(play: Play) -> None:
    shown = play.in_terminal(PLOT)
    panel = shown.partition("Code interpreter")[2].partition("╰")[0]
    assert "plt.plot(x, np.sin(x))" in panel
    assert "sine.png" in shown.rpartition("╰")[2]


def test_row_12_a_function_that_visits_a_page(
    play: Play, provider: StandIn, web_page: str, tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text(REQUESTS)
    question = "What's the top story on Hacker News?"
    visit = Call("visit_url", {"url": web_page})
    provider.brain = by_text({question: [Reply([visit]), "It is: threads that turn."]})
    printed = play("""
        from threadmill import Assistant
        import requests

        # Define a custom tool function
        def visit_url(url: str):
            \"""Fetch the content of a URL\"""
            return requests.get(url).content.decode()

        # Integrate custom tools with the assistant
        ai = Assistant(tools=[visit_url])
        ai.say("What's the top story on Hacker News?")
    """)
    assert printed == [
        f"User: {question}",
        f'  visit_url({{"url": "{web_page}"}}) -> <b>1. Show HN: threads that turn</b>',
        "Assistant: It is: threads that turn.",
    ]


def test_row_12_functions_and_the_code_interpreter_together(
    play: Play, provider: StandIn, web_page: str, tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text(REQUESTS)
    visit = Call("visit_url", {"url": web_page})
    draw = Code("plot(stories)", "drawn", {"stories.png": sine_plot()})
    show = Text("Here they are: sandbox:/mnt/data/stories.png", ["stories.png"])
    provider.brain = scripted(Reply([visit]), Reply([draw, show]))
    printed = play("""
        from threadmill import Assistant, CodeInterpreter
        import requests

        # Define a custom tool function
        def visit_url(url: str):
            \"""Fetch the content of a URL\"""
            return requests.get(url).content.decode()

        # Integrate custom tools with the assistant
        ai = Assistant(tools=[visit_url, CodeInterpreter])
        ai.say("Plot the top stories on Hacker News")
    """)
    assert printed[1].startswith("  visit_url(")
    assert printed[1].endswith("threads that turn</b>")
    assert printed[2] == "  code_interpreter(plot(stories)) -> drawn"
    assert printed[3].startswith("Assistant: Here they are")
    [image] = linked(printed[4:])
    assert image.read_bytes() == sine_plot()


ENDED = """
        thread = ai.default_thread
        run = ai.say("call my_tool {}")
        assert run.status == "cancelled"
        print(repr(run.data))
        thread.add("The thread is free at once")
        assert thread.run(ai).status == "completed"
"""
"""What holds for all ways to end a run."""


def test_row_13_an_end_that_is_raised(play: Play) -> None:
    printed = play(
        """
        from threadmill import Assistant, EndRun

        def my_tool():
            raise EndRun(data="The final result")

        ai = Assistant(tools=[my_tool])
        """
        + ENDED
    )
    assert printed[-1] == "'The final result'"


def test_row_14_an_end_that_is_returned(play: Play) -> None:
    printed = play(
        """
        from threadmill import Assistant, EndRun

        def my_tool():
            return EndRun(data="The final result")

        ai = Assistant(tools=[my_tool])
        """
        + ENDED
    )
    assert printed[-1] == "'The final result'"


def test_row_15_an_end_that_is_a_text(play: Play) -> None:
    printed = play(
        """
        from threadmill import Assistant, ENDRUN_TOKEN

        def my_tool():
            return ENDRUN_TOKEN

        ai = Assistant(tools=[my_tool])
        """
        + ENDED
    )
    assert printed[-1] == "None"


def test_row_23_an_async_function_is_a_tool_of_the_sync_api(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant

        async def secret_message():
            return "The answer is 42"

        ai = Assistant(tools=[secret_message])
        ai.say("What's the secret message? call secret_message {}")
        # 42
    """)
    assert printed[1:] == [
        "  secret_message({}) -> The answer is 42",
        "Assistant: secret_message answered: The answer is 42.",
    ]
