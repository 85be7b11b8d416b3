"""What repairs: runs of dead workers, lost messages, and what is recorded and not executed."""
