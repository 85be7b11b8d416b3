"""What a run's log means to a reader, and how it is followed."""
