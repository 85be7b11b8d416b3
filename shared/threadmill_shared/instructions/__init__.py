"""A run's instructions: texts and templates."""
