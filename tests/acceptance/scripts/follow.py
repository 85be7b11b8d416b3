"""Look at the first event of a run in the way that is asked for, and end: nobody executes it."""

import asyncio
import sys

from threadmill import Assistant

run = Assistant(name="plain").enqueue("Hello!")


async def main() -> None:
    async for event in run.events_async():
        print(event.event)
        break


match sys.argv[1]:
    case "next":
        print(next(run.events()).event)
    case "kept":
        events = run.events()
        print(next(events).event)
    case "break":
        for event in run.events():
            print(event.event)
            break
    case "async":
        asyncio.run(main())
