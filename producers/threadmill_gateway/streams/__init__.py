"""Runs as server-sent events."""
