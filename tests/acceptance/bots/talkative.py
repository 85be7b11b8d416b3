"""An assistant whose tools log, from everywhere."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from threadmill import Assistant, tool

logger = logging.getLogger("shop")


@tool
def order() -> str:
    """Order in a thread of the worker."""
    logger.warning("a tool's thread\nand a second line", extra={"order": 7})
    with ThreadPoolExecutor(1) as executor:
        executor.submit(copy_context().run, logger.warning, "a thread of its own").result()
    return "ordered"


@tool
async def pay() -> str:
    """Pay on the event loop."""
    logger.warning("an async tool")
    called = asyncio.Event()

    def call_back() -> None:
        logger.warning("a callback")
        called.set()

    asyncio.get_running_loop().call_soon(call_back)
    await called.wait()
    await asyncio.to_thread(logger.warning, "a thread of asyncio")
    return "paid"


@tool
def fail() -> str:
    """Fail in four ways."""
    secret = "canary"
    warnings.warn("an old function", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=int, args=(secret,), name="own-thread")
    thread.start()
    thread.join()
    try:
        int(secret)
    except ValueError:
        logger.exception("what a tool logs itself")
        raise KeyError(secret)  # noqa: B904


@tool
async def forget() -> str:
    """Leave a task that fails, and that nobody looks at."""

    async def fail_alone() -> None:
        raise ValueError("canary")

    task = asyncio.ensure_future(fail_alone())
    await asyncio.sleep(0.01)
    del task
    return "forgotten"


@tool
async def call_back_late() -> str:
    """Fail in a callback of the event loop."""

    def fail_with(secret: str) -> None:
        raise ValueError(secret)

    loop = asyncio.get_running_loop()
    loop.call_soon(fail_with, "canary")
    loop.call_soon(partial(fail_with, "canary"))
    await asyncio.sleep(0.01)
    return "called back"


tools = [order, pay, fail, forget, call_back_late]
clerk = Assistant(name="the clerk", instructions="Sell.", tools=tools)
