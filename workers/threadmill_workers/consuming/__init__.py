"""Celery's side of a worker: it takes messages, and tells monitors what became of runs."""
