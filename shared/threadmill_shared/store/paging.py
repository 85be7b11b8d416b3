"""How much is read at once."""

PAGE = 200
"""Items, runs or log entries per read."""
