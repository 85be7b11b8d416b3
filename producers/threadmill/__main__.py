"""`python -m threadmill` is the command `threadmill`."""

from threadmill.cli import main

if __name__ == "__main__":
    main()
