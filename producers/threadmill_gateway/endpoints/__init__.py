"""One function for each call of the API."""
