"""The server and the worker that a script starts."""
