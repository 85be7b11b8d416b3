"""What operators look at, read from the store as plain frozen data.

Each operation takes the store, and returns dataclasses of JSON's types; times are seconds since the
epoch, by the server's clock. The command line prints them.
"""
