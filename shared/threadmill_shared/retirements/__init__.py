"""Models that their provider has shut down, or announced to."""
