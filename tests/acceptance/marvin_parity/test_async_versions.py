"""The page's promise that every method has an async version."""

from __future__ import annotations

from tests.acceptance.marvin_parity.conftest import Play
from tests.support.async_versions import assert_same_signature, pairs

SCRIPT = """
    import asyncio
    from pathlib import Path
    from threadmill import Assistant, CodeInterpreter, File, Run, Thread, tool

    SPEC = {"type": "function", "function": {"name": "outside", "parameters": {}}}

    @tool(needs_approval=True)
    async def pay() -> str:
        return "paid"

    async def parked(run):
        while not (await run.refresh_async()).required_action:
            await asyncio.sleep(0.02)
        [call] = run.required_action.tool_calls
        return call.id

    async def assistants():
        ai = Assistant(name="Marvin")
        await ai.create_async()
        ai.instructions = "Be gloomy."
        await ai.save_async()
        ai = await Assistant.load_async(ai.id)
        assert ai.id in [found.id for found in await Assistant.list_async()]
        assert (await ai.say_async("instructions?")).text == "Be gloomy."
        run = await ai.enqueue_async("Hello!")
        assert (await run.wait_async()).status == "completed"
        [run] = await ai.enqueue_many_async(["Hello!"])
        assert (await run.wait_async()).status == "completed"
        await ai.chat_async("Hello!")
        await ai.delete_async()

    async def threads():
        ai = Assistant()
        thread = await Thread(metadata={"a": "b"}).create_async(["Hello!"])
        assert (await Thread(id=thread.id).refresh_async()).metadata == {"a": "b"}
        await thread.add_async("How are you?")
        first, second = await thread.get_messages_async()
        assert (await thread.save_message_async(first.id, {"c": "d"})).metadata == {"c": "d"}
        assert (await thread.get_message_async(first.id)).metadata == {"c": "d"}
        await thread.delete_message_async(second.id)
        thread.metadata = {"e": "f"}
        await thread.save_async()
        await thread.run_async(ai)
        await (await thread.enqueue_async(ai)).wait_async()
        assert len(await thread.runs_async()) == 2
        assert thread.id in [found.id for found in await Thread.list_async()]
        await thread.delete_async()

    async def runs():
        ai = Assistant(tools=[SPEC, pay, CodeInterpreter])
        run = await ai.enqueue_async("call outside {}")
        await run.submit_tool_outputs_async({await parked(run): "an output"})
        assert "an output" in (await run.wait_async()).text
        assert (await Run.load_async(run.id)).text == run.text
        assert run.id in [found.id for found in await Run.list_async(status="completed")]
        assert [event.event async for event in run.events_async()][-1] == "done"

        run = await ai.enqueue_async("call pay {}")
        await run.approve_async(await parked(run))
        assert "paid" in (await run.wait_async()).text

        run = await ai.enqueue_async("call pay {}")
        await run.reject_async(await parked(run), "too much")
        assert "too much" in (await run.wait_async()).text

        run = await ai.enqueue_async("call pay {}")
        assert (await run.cancel_async()).status in ("cancelling", "cancelled")

        run = await (await ai.enqueue_async("Generate a plot of sin(x)")).wait_async()
        [image] = await run.download_async()
        assert image.name == "sine.png"

    async def files():
        Path("note.txt").write_text("x")
        file = await File.upload_async("note.txt")
        assert (await File.load_async(file.id)).filename == "note.txt"
        assert await file.content_async() == b"x"
        assert (await file.download_async(".")).name
        assert file.id in [found.id for found in await File.list_async()]
        await file.delete_async()

    async def main():
        await asyncio.gather(assistants(), threads(), runs(), files())

    asyncio.run(main())
"""


def test_row_30_every_method_has_an_async_twin(play: Play) -> None:
    for owner, name in pairs():
        assert_same_signature(getattr(owner, name), getattr(owner, f"{name}_async"))
        assert f".{name}_async(" in SCRIPT, f"{owner.__name__}.{name} is not played"
    play(SCRIPT)
