"""What is stored and passed around, as plain frozen data; no module here does any I/O."""
