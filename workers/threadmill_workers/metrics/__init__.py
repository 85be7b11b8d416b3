"""What a worker measures, and how Prometheus reads it."""
