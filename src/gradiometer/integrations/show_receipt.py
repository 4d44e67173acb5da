"""The receipt of a cure as one output: what it changed, how to take it back, the same change as code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradiometer.catalog import entry_of
from gradiometer.records import Receipt, UserError
from gradiometer.views.wording import Verdict

from .frame import foot, framed, head, top, verdict_head
from .markup import Piece, code, el, folded, table

if TYPE_CHECKING:
    from gradiometer.surgery.receipt import LiveReceipt

MOST_CHANGES = 12


def show_live_receipt(receipt: LiveReceipt) -> dict[str, str]:
    """The receipt that ``gm.cure`` hands out."""
    return _shown(receipt.record, receipt.as_patch(), receipt.standing)


def show_receipt(receipt: Receipt) -> dict[str, str]:
    """A receipt as a value, without the network."""
    return _shown(receipt, "", True)


def _shown(receipt: Receipt, patch: str, standing: bool) -> dict[str, str]:
    cure, n = receipt.prescription.cure, len(receipt.changes)
    state = f"Applied: {n} change{'' if n == 1 else 's'}." if standing else "Undone: the network is as it was before."
    title = _title(cure)
    lines = [f"{cure}: {title}", state, *(f"  {c.site}  {c.what}: {c.before} → {c.after}" for c in receipt.changes)]
    body: list[list[Piece]] = [[code(c.site), c.what, c.before, c.after] for c in receipt.changes]
    changes = table(["site", "what", "before", "after"], body[:MOST_CHANGES])
    more = table(["site", "what", "before", "after"], body[MOST_CHANGES:]) if n > MOST_CHANGES else None
    undo = el("span", "to take it back, bit for bit: ", code("receipt.undo()")) if standing else None
    html = framed(
        top("cure", _settings(receipt)),
        verdict_head(Verdict("unknown", "Applied" if standing else "Undone", cure, _sentence(title)), state),
        head("Changes") if n else None,
        changes if n else None,
        folded(f"{n - MOST_CHANGES} more", more) if more is not None else None,
        folded("The change as code", el("pre", patch)) if patch else None,
        foot("no cure is proven before a trial: gm.prove", undo),
    )
    return {"text/plain": "\n".join(lines), "text/html": html}


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _title(cure: str) -> str:
    try:
        return entry_of(cure).title
    except UserError:  # a receipt of another version
        return cure


def _settings(receipt: Receipt) -> str:
    said = [f"{name} = {value}" for name, value in receipt.prescription.params.items()]
    if receipt.prescription.targets:
        said.append(f"only in {', '.join(receipt.prescription.targets)}")
    return ", ".join(said)
