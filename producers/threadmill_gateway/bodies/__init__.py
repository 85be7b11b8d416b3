"""What clients send: bodies and queries, and how they are checked."""
