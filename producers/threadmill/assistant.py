"""An assistant, as users know it."""

from __future__ import annotations

from threadmill.lifecycle import Lifecycle
from threadmill.talking import Talking


class Assistant(Talking, Lifecycle):
    """A definition: a name, instructions, a model and tools. Making one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """
