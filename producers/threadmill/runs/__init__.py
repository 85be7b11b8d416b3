"""The operations behind the handles: what is asked of a run, and how it is followed."""
