"""An assistant without tools."""

from threadmill import Assistant

plain = Assistant(name="plain", instructions="Answer.")
