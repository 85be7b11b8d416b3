"""An assistant, as users know it."""

from __future__ import annotations

from threadmill.talking import Talking


class Assistant(Talking):
    """A definition: a name, instructions, a model and tools. Making one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """
