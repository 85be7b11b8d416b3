"""What executes runs: the Celery app, the assistant loop, model providers and tools."""
