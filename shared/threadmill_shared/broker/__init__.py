"""Celery's side of every process: queues, the app, and the thread that sends."""
