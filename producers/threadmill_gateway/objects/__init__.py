"""Stored records in the shapes of the API's objects."""
