"""What a worker writes to its log: the fields of each line, and their two formats."""
