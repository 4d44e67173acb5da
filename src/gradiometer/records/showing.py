"""How a result shows itself where a frontend asks it to: the values know no views, so the front door lends them one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

show: Callable[[object], Mapping[str, str]] | None = None
"""From a result to its forms by MIME type, ``text/plain`` always among them; set by the package's front door."""


class Shows:
    """A result that a notebook shows as a picture and a table, and everything else as plain text.

    Mixed into values: it holds nothing, and nothing is loaded before somebody asks.
    """

    __slots__ = ()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """What Jupyter, VS Code and Colab ask for. Empty where the package's front door was never opened."""
        forms = {} if show is None else show(self)
        return {
            kind: form
            for kind, form in forms.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }

    def _repr_html_(self) -> str | None:
        """What other frontends ask for: the HTML alone. None where there is none."""
        return self._repr_mimebundle_(include=("text/html",)).get("text/html")
