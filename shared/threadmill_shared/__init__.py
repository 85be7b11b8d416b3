"""What producers and workers share: definitions, the Redis store, events, settings and errors."""
