"""The page's examples of talking to an assistant, of what is printed, and of event handlers."""

from __future__ import annotations

from tests.acceptance.marvin_parity.conftest import Play

MARVIN = 'Assistant(name="Marvin", instructions="You are the Paranoid Android.")'


def test_row_1_quickstart(play: Play) -> None:
    user, answer, returned = play(f"""
        from threadmill import Assistant

        # create an assistant
        ai = {MARVIN}

        # send a message to the assistant and have it respond
        run = ai.say('Hello, Marvin!')
        print(type(run).__name__, run.status)
    """)
    assert user == "User: Hello, Marvin!"
    assert answer.startswith("Marvin: Hello!")
    assert returned == "Run completed"


def test_row_2_plain_functions_are_tools(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant

        def cry() -> str:
            return "boo hoo"

        def sob() -> str:
            return "sniff"

        ai = Assistant(
            name="Marvin",
            # any specific instructions for how this assistant should behave
            instructions="You the Paranoid Android.",
            # any tools or additional abilities the assistant should have
            tools=[cry, sob]
        )
        ai.say("call cry {} and call sob {}")
    """)
    user, *calls, answer = printed
    assert user == "User: call cry {} and call sob {}"
    # They are called side by side, so either may be the first to end.
    assert sorted(calls) == ["  cry({}) -> boo hoo", "  sob({}) -> sniff"]
    assert "cry answered: boo hoo." in answer
    assert "sob answered: sniff." in answer


def test_row_3_what_is_said_again_goes_on_with_the_default_thread(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant

        ai = Assistant()
        first = ai.say('Hi!')
        second = ai.say('Bye!')
        assert first.thread_id == second.thread_id == ai.default_thread.id
        print([message.role for message in ai.default_thread.get_messages()])
    """)
    assert printed[0] == "User: Hi!"
    assert printed[1].startswith("Assistant: Hello!")
    assert printed[2] == "User: Bye!"
    assert "I have seen 2 messages" in printed[3]
    assert printed[4:] == ["['user', 'assistant', 'user', 'assistant']"]


def test_row_4_threads_are_known_by_id_or_key(play: Play) -> None:
    play("""
        from threadmill import Assistant, Thread, errors

        ai = Assistant()

        # load a thread from an existing ID (or pass id=None to start a new thread)
        thread = Thread(id=None)

        # post a message to the thread
        ai.say('hi', thread=thread)
        thread_id = thread.id
        run = ai.say('hi', thread=Thread(id=thread_id))
        assert run.thread_id == thread_id
        assert "I have seen 2 messages" in run.text

        assert ai.say('hi', thread=Thread(key="user-42")).thread_id == Thread(key="user-42").id
        assert "I have seen 2 messages" in ai.say('hi', thread=Thread(key="user-42")).text
        assert ai.default_thread.get_messages() == []

        try:
            ai.say('hi', thread=Thread(id="thread_" + 32 * "0"))
        except errors.ThreadNotFound:
            pass
        else:
            raise AssertionError("an unknown id is a thread's")
    """)


def test_row_5_without_a_handler_nothing_is_printed(play: Play) -> None:
    assert play("""
        from threadmill import Assistant

        ai = Assistant()

        # run the assistant without printing any messages
        run = ai.say("Hello!", event_handler_class=None)

        print([message.role for message in run.messages])
        print([(step.type, step.status) for step in run.steps])
    """) == ["['user', 'assistant']", "[('message_creation', 'completed')]"]


def test_row_6_messages_or_steps_are_left_out(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant

        def roll_dice(n_dice: int) -> list[int]:
            return [6] * n_dice

        ai = Assistant(tools=[roll_dice])

        # print only messages
        run = ai.say("Roll two dice!", event_handler_kwargs=dict(print_steps=False))
        print("--")
        # print only actions
        run = ai.say("Roll two dice!", event_handler_kwargs=dict(print_messages=False))
    """)
    assert printed[0] == "User: Roll two dice!"
    assert printed[1].startswith("Assistant: I rolled two dice")
    assert printed[2:] == ["--", '  roll_dice({"n_dice": 2}) -> [6,6]']


def test_row_7_thread_run_prints_where_it_is_told_to(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant, PrintHandler, Thread

        ai = Assistant()
        thread = Thread()
        thread.add("Hello!")
        run = thread.run(ai)
        print("--")
        thread.add("Hello again!")
        run = thread.run(ai, event_handler_class=PrintHandler)
    """)
    assert printed[0] == "--"
    [answer] = printed[1:]
    assert answer.startswith("Assistant: ")


def test_row_8_what_is_stored_is_printed_later(play: Play) -> None:
    printed = play("""
        from threadmill import Assistant, pprint_messages, pprint_run, pprint_steps

        def roll_dice(n_dice: int) -> list[int]:
            return [6] * n_dice

        ai = Assistant(tools=[roll_dice])
        run = ai.say("Roll two dice!", event_handler_class=None)
        pprint_run(run)
        print("--")
        pprint_messages(run.messages)
        print("--")
        pprint_steps(run.steps)
        print({step.status for step in run.steps})
    """)
    user, call, answer = printed[:3]
    assert user == "User: Roll two dice!"
    assert call == '  roll_dice({"n_dice": 2}) -> [6,6]'
    assert answer.startswith("Assistant: I rolled two dice")
    assert printed[3:8] == ["--", user, answer, "--", call]
    assert printed[8].endswith(": completed)")
    assert printed[9:] == ["{'completed'}"]


def test_row_9_a_handler_made_for_the_openai_package_is_used_as_it_is(play: Play) -> None:
    printed = play("""
        import openai
        from threadmill import Assistant

        class Mine(openai.AsyncAssistantEventHandler):
            def __init__(self, greeting):
                super().__init__()
                self.greeting = greeting

            async def on_run_step_created(self, run_step):
                print("step", self.current_run.status, run_step.type)

            async def on_message_created(self, message):
                print(self.greeting, message.role)

            async def on_tool_call_created(self, tool_call):
                print("call", tool_call.function.name, tool_call.function.output)

            async def on_tool_call_delta(self, delta, snapshot):
                print("delta", delta.function.output, snapshot.function.name)

            async def on_tool_call_done(self, tool_call):
                print("done", tool_call.function.output)

            async def on_text_delta(self, delta, snapshot):
                assert snapshot.value.endswith(delta.value)

            async def on_text_done(self, text):
                print("text", text.value.startswith("I rolled two dice"))

            async def on_message_done(self, message):
                print("message", message.status)

            async def on_run_step_done(self, run_step):
                print("step", run_step.status)

            async def on_end(self):
                print("end", (await self.get_final_run()).status)

        def roll_dice(n_dice: int) -> list[int]:
            return [6] * n_dice

        ai = Assistant(tools=[roll_dice])
        run = ai.say(
            "Roll two dice!",
            event_handler_class=Mine,
            event_handler_kwargs=dict(greeting="hello from"),
        )
    """)
    assert printed == [
        "step in_progress tool_calls",
        "call roll_dice None",
        "delta [6,6] roll_dice",
        "done [6,6]",
        "step completed",
        "step in_progress message_creation",
        "hello from assistant",
        "text True",
        "message completed",
        "step completed",
        "end completed",
    ]
