"""`python -m unembed` is `unembed`."""

from unembed.cli import main

if __name__ == "__main__":
    main()
