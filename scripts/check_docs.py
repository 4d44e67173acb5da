"""Checks of the documents that need nothing but their text: links, anchors, orphans, languages of code blocks.

Run as ``python scripts/check_docs.py``; prints one line a problem and exits 1 where there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_LANGUAGES = frozenset({"bash", "python"})
SHOWN_LANGUAGES = frozenset({"text", "console", "json", "toml", "yaml"})

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>.*)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$")
DIRECTIVE = re.compile(r"^<!-- *(?P<text>.*?) *-->$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. line: number of its opening fence, from 1. directive: the HTML comment right above it."""

    page: str
    line: int
    language: str
    text: str
    directive: str = ""

    @property
    def where(self) -> str:
        """``docs/run.md:12``, as an editor opens it."""
        return f"{self.page}:{self.line}"


def pages(root: Path = ROOT) -> list[Path]:
    """Every document that a user reads, README first."""
    return [root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md", *sorted((root / "docs").glob("*.md"))]


def blocks(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text, in order. A fence that is never closed raises ValueError."""
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        opening = FENCE.match(lines[i])
        if opening is None:
            i += 1
            continue
        start, indent, ticks = i, len(opening["indent"]), opening["ticks"]
        i += 1
        while i < len(lines) and lines[i].strip() != ticks:
            i += 1
        if i == len(lines):
            raise ValueError(f"{page}:{start + 1}: this block is never closed")
        body = "\n".join(line[indent:] for line in lines[start + 1 : i]) + "\n"
        yield Block(page, start + 1, opening["info"].strip(), body, _directive_above(lines, start))
        i += 1


def _directive_above(lines: list[str], start: int) -> str:
    above = start - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    match = DIRECTIVE.match(lines[above].strip()) if above >= 0 else None
    return match["text"] if match else ""


def prose(text: str) -> list[tuple[int, str]]:
    """(line number, line) of everything outside fenced blocks."""
    out: list[tuple[int, str]] = []
    ticks = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if ticks:
            ticks = "" if line.strip() == ticks else ticks
        elif fence:
            ticks = fence["ticks"]
        else:
            out.append((number, line))
    return out


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as Git forges make them: lower case, no punctuation, dashes."""
    found: set[str] = set()
    for _, line in prose(text):
        heading = HEADING.match(line)
        if heading:
            plain = re.sub(r"[^\w\- ]", "", heading["text"].replace("`", "")).strip().lower()
            found.add(plain.replace(" ", "-"))
    return found


def link_problems(root: Path, page: Path) -> Iterator[str]:
    """Links of one page that lead nowhere: a missing file, or a missing anchor in a Markdown page."""
    text = page.read_text(encoding="utf-8")
    for number, line in prose(text):
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            target = match["target"] or match["image"]
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            where = f"{page.relative_to(root)}:{number}"
            if not file.exists():
                yield f"{where}: {target} leads nowhere: there is no {name}"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
                yield f"{where}: {target} leads nowhere: no heading makes that anchor"


def block_problems(root: Path, page: Path) -> Iterator[str]:
    """Blocks whose language is neither executed nor shown: they would be neither checked nor marked as not."""
    name = str(page.relative_to(root))
    try:
        for block in blocks(page.read_text(encoding="utf-8"), name):
            if block.language not in RUN_LANGUAGES | SHOWN_LANGUAGES:
                known = ", ".join(sorted(RUN_LANGUAGES | SHOWN_LANGUAGES))
                yield f"{block.where}: language {block.language!r}; write one of {known}"
    except ValueError as error:
        yield str(error)


def orphan_problems(root: Path) -> Iterator[str]:
    """Manual pages that the index does not link to."""
    index = root / "docs" / "index.md"
    text = index.read_text(encoding="utf-8")
    for page in sorted((root / "docs").glob("*.md")):
        if page != index and f"({page.name}" not in text:
            yield f"docs/{page.name}: docs/index.md does not link to it"


def problems(root: Path = ROOT) -> list[str]:
    """Every problem of every page, in the order of the pages."""
    found: list[str] = []
    for page in pages(root):
        found += block_problems(root, page)
        found += link_problems(root, page)
    return found + list(orphan_problems(root))


def main() -> int:
    """Print the problems; 1 where there is any."""
    found = problems()
    for problem in found:
        print(problem)
    print(f"Documents: {len(pages())} pages, {len(found)} problems.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
