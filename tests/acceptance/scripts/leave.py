"""Enqueue something long on a thread of a known name, and end without waiting."""

from threadmill import Assistant, Thread

Assistant("first").enqueue("tokens=40 delay=0.05", thread=Thread(key="kept"))
