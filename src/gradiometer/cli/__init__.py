"""The command ``gradiometer``: one file a command. Heavy rooms are imported inside the commands that need them."""

from .app import app, main

__all__ = ["app", "main"]
