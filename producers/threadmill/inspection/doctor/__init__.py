"""What `threadmill doctor` examines: each module checks one thing, and returns findings.

Checks change nothing. What they need of Redis, of the broker and of the provider is read first, and
most checks are functions of what was read.
"""
