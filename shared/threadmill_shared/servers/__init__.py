"""The URLs of servers, parsed once into validated values, and TLS."""
