"""Models that OpenAI has shut down, or has announced to shut down."""
