"""The page's examples of threads: their messages, their runs, and what is locked meanwhile."""

from __future__ import annotations

from tests.acceptance.marvin_parity.conftest import Play
from tests.support.paths import ROOT

from threadmill.testing import Answer, Reply, Request, StandIn, Text

DICE = (ROOT / "examples" / "dice.py").read_text()


def test_row_24_threads_are_made_or_known_by_id(play: Play) -> None:
    play("""
        from threadmill import Assistant, Thread

        thread = Thread()
        assert thread.get_messages() == []
        thread.add('Hello there!')
        thread_id = thread.id

        thread = Thread(id=thread_id)
        assert [message.text for message in thread.get_messages()] == ['Hello there!']
    """)


def test_row_25_messages_are_added(play: Play) -> None:
    play("""
        from threadmill import Thread

        thread = Thread()
        thread.add('Hello there!')
        thread.add('How are you?')

        # this will return two `Message` objects with content
        # 'Hello there!' and 'How are you?' respectively
        messages = thread.get_messages()
        assert [message.text for message in messages] == ['Hello there!', 'How are you?']
        assert {message.role for message in messages} == {"user"}
    """)


def test_row_26_a_thread_is_run(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant, Thread

        ai = Assistant(name="Marvin")
        thread = Thread()
        thread.add('Hello there!')
        assert thread.run(ai).status == "completed"
        run = thread.run(assistant=ai)
        assert [message.role for message in run.messages] == ["assistant"]
        messages = thread.get_messages()
        assert [message.role for message in messages] == ["user", "assistant", "assistant"]
        assert [message.assistant_name for message in messages] == [None, "Marvin", "Marvin"]
    """)
    assert printed == []


def test_row_27_messages_are_read_in_pages(play: Play) -> None:
    play("""
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
    """)


def test_row_28_five_dice(play: Play) -> None:
    user, _, two, five, rolled = printed = play(DICE)
    assert [line.partition(": ")[0] for line in printed] == [
        *("User", "Assistant"),
        *("User", "User", "Assistant"),
    ]
    assert user == "User: Hello!"
    assert (two, five) == ("User: Please roll two dice", "User: Actually--roll five dice")
    assert rolled.startswith("Assistant: I rolled five dice: ")


def test_row_28_five_dice_are_five_panels_in_a_terminal(play: Play) -> None:
    shown = play.in_terminal(DICE)
    titles = [line.strip("╭─╮ ") for line in shown.splitlines() if line.startswith("╭")]
    assert titles == ["User", "Assistant", "User", "User", "Assistant"]
    assert shown.count("╰") == 5
    assert "I rolled five dice: " in shown
    assert shown.count("threadmill: ") == len(play.announced())


def test_row_29_a_thread_is_locked_while_it_is_run(play: Play, provider: StandIn) -> None:
    def answer(request: Request) -> Answer | str:
        is_slow = request.instructions == "Tell everything."
        return Reply([Text(["word "] * 9999)], delay=0.05) if is_slow else "Here I am."

    provider.brain = answer
    play("""
        import threading, time
        from threadmill import Assistant, Thread, errors

        ai = Assistant()
        thread = Thread()
        slow = Assistant(instructions="Tell everything.").enqueue("Hello!", thread=thread)

        def assert_locked(call, *arguments, **options):
            try:
                call(*arguments, **options)
            except errors.ThreadLocked as error:
                assert error.run_id == slow.id and slow.id in str(error)
            else:
                raise AssertionError("it is not locked")

        assert_locked(thread.add, "Hello!")
        ended = []

        def run():
            ended.append(thread.run(ai))

        second = threading.Thread(target=run, daemon=True)
        second.start()
        while len(thread.runs()) < 2:
            time.sleep(0.02)
        assert_locked(thread.add, "Hello!")
        assert_locked(thread.run, ai, when_busy="reject")
        # The second one waits in line.
        assert thread.runs()[1].status == "queued" and not ended
        slow.cancel()
        second.join()
        assert [run.status for run in ended] == ["completed"]
        assert [run.status for run in thread.runs()] == ["cancelled", "completed"]
        thread.add("It is free again.")
    """)
