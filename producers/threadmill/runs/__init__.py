"""The operations behind the handles: requests, answers, and following a run."""
