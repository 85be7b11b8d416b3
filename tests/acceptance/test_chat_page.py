"""The example's page in a real browser: chatting, and all that can happen to a page meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.browser import chromium
from tests.support.pauses import Pauses
from tests.support.processes.chat_page import FOLDER, ChatPage
from tests.support.servers.cutting_proxy import CuttingProxy

from threadmill import Run
from threadmill.testing import Call, Pause, Reply, StandIn, Text, by_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

pytestmark = pytest.mark.browser

COUNT = "one two three four five six seven eight nine ten"
WORDS = [f"{word} " for word in COUNT.split()]
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"


@pytest.fixture(autouse=True)
def run() -> None:
    """No loop for the test: Playwright has one in this thread, which counts as running."""


@pytest.fixture(scope="module")
def api() -> str:
    """What the page shows does not depend on the provider's protocol."""
    return "responses"


@pytest.fixture(scope="module")
def chat_page(lasting: Lasting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatPage]:
    lasting.workers.start("bot", folder=FOLDER)
    with ChatPage(tmp_path_factory.mktemp("chat") / "page.log") as service:
        yield service


@pytest.fixture
def network(chat_page: ChatPage) -> Iterator[CuttingProxy]:
    """What is between the browser and the service."""
    with CuttingProxy(chat_page.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


NewUser = Callable[[], "BrowserContext"]


@pytest.fixture
def new_user(browser: Browser, network: CuttingProxy) -> Iterator[NewUser]:
    """Makes browsers of further users, with cookies of their own."""
    users: list[BrowserContext] = []
    complaints: list[str] = []

    def new_user() -> BrowserContext:
        user = browser.new_context(base_url=f"http://127.0.0.1:{network.port}")
        user.set_default_timeout(20_000)
        user.on("weberror", lambda found: complaints.append(str(found.error)))
        users.append(user)
        return user

    yield new_user
    for user in users:
        user.close()
    assert not complaints, "the page's script has failed"


@pytest.fixture
def page(new_user: NewUser) -> Page:
    """A user who has opened a new chat."""
    page = new_user().new_page()
    page.goto("/")
    return page


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#send")


def wait_for_messages(page: Page, *texts: str) -> None:
    """Wait until the page shows exactly these messages."""
    from playwright.sync_api import expect

    shown = page.locator("#messages li")
    expect(shown).to_have_text(
        [re.compile(f"^{re.escape(text)}$") for text in texts], timeout=20_000
    )


def counting(standin: StandIn, *after: int) -> Pause:
    """Have the model count to ten, with pauses after so many words."""
    pause = Pauses(*after)
    reply = Reply([Text(WORDS)], pause=pause)
    standin.brain = lambda request: reply if "Count" in request.last_user_text else "Good bye."
    return pause


def begin_counting(page: Page, standin: StandIn, *after: int) -> Pause:
    pause = counting(standin, *(after or (3,)))
    say(page, "Count!")
    wait_for_messages(page, "Count!", "one two three ")
    return pause


COUNTED = f"{COUNT} "


def test_an_answer_appears_as_it_is_written_and_the_chat_goes_on(
    page: Page, standin: StandIn
) -> None:
    begin_counting(page, standin).end()
    wait_for_messages(page, "Count!", COUNTED)
    say(page, "Thanks")
    wait_for_messages(page, "Count!", COUNTED, "Thanks", "Good bye.")


def test_the_page_says_which_tool_is_used_and_nothing_else_of_it(
    page: Page, standin: StandIn
) -> None:
    from playwright.sync_api import expect

    call = Call("find_trains", {"start": "Vienna", "destination": "Prague"})
    standin.brain = by_text({"When": [Reply([call]), "In an hour."]})
    say(page, "When?")
    expect(page.locator("#progress")).to_have_text("Using find_trains …")
    wait_for_messages(page, "When?", "In an hour.")
    expect(page.locator("#progress")).to_be_empty()
    assert "Prague" not in page.content()


def test_a_reload_in_mid_answer_loses_and_doubles_nothing(page: Page, standin: StandIn) -> None:
    pause = begin_counting(page, standin, 3, 6)
    page.reload()
    wait_for_messages(page, "Count!", "one two three ")
    pause.end()
    wait_for_messages(page, "Count!", "one two three four five six ")
    page.reload()
    pause.end()
    wait_for_messages(page, "Count!", COUNTED)
    page.reload()
    wait_for_messages(page, "Count!", COUNTED)


def test_a_connection_that_is_cut_in_mid_answer_continues(
    page: Page, standin: StandIn, network: CuttingProxy
) -> None:
    pause = begin_counting(page, standin)
    network.sent.clear()
    assert network.cut()
    pause.end()
    wait_for_messages(page, "Count!", COUNTED)
    asked_for = re.findall(rb"(?i)last-event-id: (\d+)", bytes(network.sent))
    assert [int(number) > 5 for number in asked_for] == [True], "what it had was not sent again"


def test_a_proxy_that_answers_with_an_error_only_makes_the_page_begin_anew(
    page: Page, standin: StandIn, network: CuttingProxy
) -> None:
    pause = begin_counting(page, standin, 3, 6)
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=502)

    page.route("**/events", refuse_once)
    with page.expect_response(lambda answer: answer.url.endswith("/events") and answer.ok):
        network.cut()
    assert refused
    pause.end()
    wait_for_messages(page, "Count!", "one two three four five six ")
    pause.end()
    wait_for_messages(page, "Count!", COUNTED)


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_service_may_be_restarted_in_mid_answer(
    page: Page, standin: StandIn, chat_page: ChatPage, way: str
) -> None:
    pause = begin_counting(page, standin)
    getattr(chat_page, way)()
    pause.end()
    chat_page.start()
    wait_for_messages(page, "Count!", COUNTED)


def test_a_message_that_is_sent_while_the_service_is_restarted_arrives_once(
    page: Page, standin: StandIn, chat_page: ChatPage
) -> None:
    counting(standin, 3).end()
    chat_page.stop()
    say(page, "Count!")
    page.wait_for_function("document.getElementById('progress').textContent == 'Connecting …'")
    chat_page.start()
    wait_for_messages(page, "Count!", COUNTED)


def test_a_message_whose_answer_is_lost_is_said_once(page: Page, standin: StandIn) -> None:
    counting(standin, 3).end()
    lost: list[str] = []

    def lose(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    page.route(
        "**/messages",
        lambda route: lose(route) if route.request.method == "POST" else route.continue_(),
    )
    say(page, "Count!")
    wait_for_messages(page, "Count!", COUNTED)
    assert "run" in lost[0]


def test_a_worker_may_die_in_mid_answer(page: Page, standin: StandIn, lasting: Lasting) -> None:
    pause = begin_counting(page, standin)
    lasting.workers.kill_all()
    pause.end()
    lasting.workers.start("bot", folder=FOLDER)
    wait_for_messages(page, "Count!", COUNTED)


def test_two_tabs_show_the_same_chat(page: Page, standin: StandIn) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    pause = begin_counting(page, standin)
    wait_for_messages(other, "Count!", "one two three ")
    assert other.locator("#send").is_disabled(), "it waits for the answer as well"
    pause.end()
    for tab in (page, other):
        wait_for_messages(tab, "Count!", COUNTED)


def test_hostile_texts_are_shown_as_text(page: Page, standin: StandIn) -> None:
    standin.brain = lambda _: Reply([Text([HOSTILE[:5], HOSTILE[5:], "\u2028\n\ndata: x"])])
    say(page, HOSTILE)
    wait_for_messages(page, HOSTILE, f"{HOSTILE}\u2028\n\ndata: x")
    page.reload()
    wait_for_messages(page, HOSTILE, f"{HOSTILE}\u2028\n\ndata: x")
    assert page.locator("#messages img, #messages script").count() == 0
    assert page.title() == "Travel desk"


def test_the_policy_stops_a_script_that_has_got_into_the_page(page: Page) -> None:
    page.evaluate(f"document.getElementById('messages').innerHTML = {HOSTILE!r}")
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")
    assert page.title() == "Travel desk"


def test_nobody_sees_the_chat_of_another_user(
    page: Page, standin: StandIn, new_user: NewUser
) -> None:
    pause = begin_counting(page, standin)
    [run] = Run.list(status="in_progress")
    stranger = new_user().new_page()
    stranger.goto(page.url)
    events = f"{page.url}/runs/{run.id}/events"
    assert page.request.get(f"{page.url}/runs/run_{'0' * 32}/events").status == 404
    assert stranger.request.get(events).status == 404
    assert stranger.request.get(f"{page.url}/messages").json() == {"messages": [], "run": None}
    pause.end()
    wait_for_messages(page, "Count!", COUNTED)
    wait_for_messages(stranger)
