"""The page's examples of an assistant's lifecycle."""

from __future__ import annotations

from tests.acceptance.marvin_parity.conftest import Play


def test_row_16_an_assistant_without_id_needs_no_care(play: Play) -> None:
    play("""
        from threadmill import Assistant

        ai = Assistant()
        # creation and deletion happens automatically
        run = ai.say('Hello, Marvin!')
        assert run.status == "completed" and ai.id is None
        assert run.assistant_version is None
    """)


def test_row_17_an_assistant_is_registered_within_its_with(play: Play) -> None:
    play("""
        import asyncio
        from threadmill import Assistant, errors

        ai = Assistant()

        def is_there(id):
            try:
                return Assistant.load(id).name == ai.name
            except errors.AssistantNotFound:
                return False

        # creation / deletion happens when the context is opened / closed
        with ai:
            registered = ai.id
            assert is_there(registered)
            ai.say("Hi!")
            with ai:
                ai.say("Bye!")
            assert ai.id == registered and is_there(registered)
        assert ai.id is None and not is_there(registered)

        async def main():
            async with ai:
                registered = ai.id
                await ai.say_async("Hi!")
                async with ai:
                    await ai.say_async("Bye!")
                await Assistant.load_async(registered)
            return registered

        assert not is_there(asyncio.run(main()))
    """)


def test_row_18_an_assistant_is_created_and_deleted_by_hand(play: Play) -> None:
    play("""
        from threadmill import Assistant

        ai = Assistant()
        ai.create()
        ai.say("Hello!")
        for wrong in (ai.create, lambda: Assistant().delete()):
            try:
                wrong()
            except ValueError as error:
                print(error)
            else:
                raise AssertionError(wrong)
        ai.delete()
        assert ai.id is None
    """)


def test_row_19_an_id_given_to_the_constructor_is_used_and_never_deleted(play: Play) -> None:
    play("""
        from threadmill import Assistant

        original = Assistant(name="Marvin", instructions="Be gloomy.")
        original.create()
        ai = Assistant(id=original.id, name='Marvin', tools=[])
        run = ai.say("instructions?")
        assert run.text == "Be gloomy." and run.assistant_name == "Marvin"
        assert run.assistant_version == 1
        assert Assistant.load(original.id).id == original.id, "it was deleted"
        original.delete()
    """)


CREATED = """
    from threadmill import Assistant

    def my_tool() -> str:
        return "The answer is 42"

    ai = Assistant(name="Marvin", instructions="Be gloomy.", tools=[my_tool])
    ai.create()
    print(ai.id)
"""


def test_row_20_an_assistant_is_loaded(play: Play) -> None:
    [registered] = play(CREATED)
    play(
        """
        import sys
        from threadmill import Assistant, errors

        [_, id] = sys.argv
        for ai in (Assistant.load(id), Assistant.load(id=id), Assistant.load(assistant_id=id)):
            assert (ai.id, ai.name, ai.instructions) == (id, "Marvin", "Be gloomy.")
            assert [tool.name for tool in ai.tools] == ["my_tool"]
        assert ai.say("instructions?").text == "Be gloomy."
        try:
            ai.say("call my_tool {}", thread=ai.default_thread)
        except errors.RunFailed as error:
            assert "ToolNotFound: The model called my_tool" in str(error), error
        else:
            raise AssertionError("nobody has the function")
        """,
        registered,
    )


def test_row_21_an_assistant_is_loaded_with_its_functions(play: Play) -> None:
    [registered] = play(CREATED)
    play(
        """
        import sys
        from threadmill import Assistant

        def my_tool() -> str:
            return "The answer is 42"

        # when loading by ID, pass the same custom tools as the original assistant
        ai_2 = Assistant.load(id=sys.argv[1], tools=[my_tool])
        run = ai_2.say("call my_tool {}")
        assert run.steps[0].tool_calls[0].output == "The answer is 42"
        """,
        registered,
    )


def test_row_22_async_with(play: Play) -> None:
    play("""
        import asyncio
        from threadmill import Assistant

        async def main():
            async with Assistant() as ai:
                await ai.say_async('hi')
                assert ai.id
            assert ai.id is None

        asyncio.run(main())
    """)
