"""The Lua scripts as typed Python calls, one for each."""
