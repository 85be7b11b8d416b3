"""This process's connections, and the two ways in which its operations are driven."""
