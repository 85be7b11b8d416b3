"""The assistant of the benchmark's workers."""

from threadmill import Assistant

ai = Assistant(name="bench", instructions="Answer.")
