"""The URLs of servers, read once into checked values, and TLS."""
