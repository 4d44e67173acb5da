"""``python -m gradiometer``: the same as the command ``gradiometer``."""

from gradiometer.cli import main

if __name__ == "__main__":
    main()
