"""The pytest fixtures of threadmill, found by pytest through the entry point `threadmill`."""
