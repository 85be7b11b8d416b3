"""An assistant with a tool that ends the process that calls it."""

import os
import signal

from threadmill import Assistant, tool


@tool(on_interrupt="retry")
def die() -> None:
    """End this worker as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


ai = Assistant(name="poisoned", tools=[die])
