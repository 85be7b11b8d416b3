"""Bodies of the calls on threads."""

from __future__ import annotations

from threadmill_gateway.bodies.body import Body, Metadata
from threadmill_gateway.bodies.extensions import ThreadExtension
from threadmill_gateway.bodies.messages import MessageBody
from threadmill_gateway.bodies.tools import ToolResources


class ThreadOfRun(Body):
    """The thread that is made with a run."""

    messages: list[MessageBody] | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None


class ThreadBody(ThreadOfRun):
    """A new thread."""

    threadmill: ThreadExtension | None = None


class ThreadChanges(Body):
    """What changes of a thread; what is left out or null stays."""

    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None
