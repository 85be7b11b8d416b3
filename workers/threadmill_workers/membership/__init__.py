"""Who is alive: this worker's lease, and the failure detector that looks at the others."""
