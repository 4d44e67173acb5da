"""The documents: links lead somewhere, every command is in the manual, nothing is named that does not exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gradiometer.records import ALL_CAUSES, STATS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import check_docs  # noqa: E402

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MANUAL = "\n".join(p.read_text(encoding="utf-8") for p in PAGES)
SCRIPT = re.compile(r"\s(?:\||&&|>|#)|;|\s-m\s+\S+|\S+\.py\b(?!:)")  # what follows is not ours to know
WORD = re.compile(r"gradiometer +(?P<command>[a-z]+)(?P<rest>[^\n`]*)")


@pytest.fixture
def small_root(tmp_path: Path) -> Path:
    """A repository with documents and no fault in them."""
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        (tmp_path / name).write_text("# Title\n\n[manual](docs/index.md#the-manual)\n")
    (tmp_path / "docs" / "index.md").write_text("# The manual\n\n[page](page.md)\n")
    (tmp_path / "docs" / "page.md").write_text("# Page\n\n```bash\ntrue\n```\n")
    return tmp_path


def test_our_documents_have_no_problems() -> None:
    assert check_docs.problems() == []


def test_a_sound_repository_has_no_problems(small_root: Path) -> None:
    assert check_docs.problems(small_root) == []


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("README.md", "[x](docs/nowhere.md)\n", "README.md:1: docs/nowhere.md leads nowhere"),
        ("README.md", "![x](picture.png)\n", "README.md:1: picture.png leads nowhere"),
        ("README.md", "[x](docs/index.md#nothing)\n", "no heading makes that anchor"),
        ("docs/page.md", "```sh\ntrue\n```\n", "docs/page.md:1: language 'sh'"),
        ("docs/page.md", "```\ntrue\n```\n", "docs/page.md:1: language ''"),
        ("docs/page.md", "```bash\ntrue\n", "never closed"),
        ("docs/orphan.md", "# Orphan\n", "docs/orphan.md: docs/index.md does not link to it"),
    ],
)
def test_a_fault_in_a_document_is_named(small_root: Path, file: str, text: str, complaint: str) -> None:
    (small_root / file).write_text(text)
    found = check_docs.problems(small_root)
    assert len(found) == 1
    assert complaint in found[0]


def test_a_link_inside_a_block_is_no_link(small_root: Path) -> None:
    (small_root / "docs" / "page.md").write_text("```text\n[x](nowhere.md)\n```\nand `[x](nowhere.md)` too\n")
    assert check_docs.problems(small_root) == []


def commands() -> dict[str, object]:
    """The commands of the real command line, by name."""
    from gradiometer.cli import app

    return dict(get_command(app).commands)


def help_of(name: str) -> str:
    """What `gradiometer NAME --help` prints, wide enough that no line is folded."""
    from gradiometer.cli import app

    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def options_of(command: object) -> set[str]:
    """Every option that a command knows, --help among them."""
    params = getattr(command, "params", [])
    return {opt for p in params for opt in (*p.opts, *p.secondary_opts) if opt.startswith("-")} | {"--help"}


def unknown_words(text: str, known: dict[str, object]) -> list[str]:
    """Commands and options in `gradiometer ...` lines of a text that the command line does not have."""
    wrong: list[str] = []
    for match in WORD.finditer(text):
        command = match["command"]
        if command not in known:
            wrong.append(command)
            continue
        own = SCRIPT.split(match["rest"])[0]
        wrong += [w for w in re.findall(r"(?<!\S)--?[a-z][a-z-]*", own) if w not in options_of(known[command])]
    return wrong


def code(text: str) -> str:
    """What is written as code on a page: bash and console blocks, and code between back-ticks."""
    shown = [b.text for b in check_docs.blocks(text, "page") if b.language in {"bash", "console"}]
    inline = [m for _, line in check_docs.prose(text) for m in re.findall(r"`([^`]+)`", line)]
    return "\n".join([*shown, *inline])


def test_every_command_is_in_the_manual_and_has_help_with_an_example() -> None:
    known = commands()
    assert known, "the command line has no commands"
    for name in known:
        assert f"gradiometer {name}" in code(MANUAL), f"no page shows gradiometer {name}"
        text = help_of(name)
        assert re.search(r"\bexamples?\b", text, re.IGNORECASE), f"gradiometer {name} --help has no example"
        assert f"gradiometer {name}" in text, f"the help of {name} shows no line to type"


def test_the_manual_names_no_command_and_no_option_that_does_not_exist() -> None:
    assert unknown_words(code(MANUAL), commands()) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("gradiometer run --help", []),
        ("gradiometer run train.py --lr 0.1", []),  # the script's own option
        ("gradiometer run -m package.train --lr 0.1", []),
        ("gradiometer check nets.py:make --lr 0.1", ["--lr"]),
        ("gradiometer run --no-such-option train.py", ["--no-such-option"]),
        ("gradiometer cook train.py", ["cook"]),
    ],
)
def test_a_word_that_does_not_exist_is_seen(line: str, wrong: list[str]) -> None:
    assert unknown_words(line, commands()) == wrong


def first_cells(text: str) -> list[str]:
    """What the tables of a page explain: the first cell of each row, where it is code, in order."""
    return re.findall(r"^\| `([a-z_-]+)` \|", text, re.MULTILINE)


def test_the_manual_explains_every_cause_in_the_order_of_precedence() -> None:
    text = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert first_cells(text) == list(ALL_CAUSES)
    assert first_cells(text.replace("| `clip-binds` |", "| `clip` |")) != list(ALL_CAUSES)


def test_the_manual_explains_every_statistic() -> None:
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert first_cells(text) == list(STATS)


# Parts, so that this file does not hold what it forbids.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"(?<![\w.])/" + r"work/",
            r"/ro" + r"ot/",
            r"/ho" + r"me/\w",
            r"/opt/" + r"(?:wheels|pypi)",
            r"py" + r"pi\.org",
            "python" + r"hosted\.org",
            "npm" + r"js\.(?:org|com)",
            "debian" + r"\.org",
            r"--(?:extra-)?index" + "-url",
            "find" + "-links",
        ]
    )
)


def repository_files() -> list[Path]:
    """Every file that is committed or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def forbidden_words(text: str) -> list[str]:
    """Places of one machine, and addresses of package registries."""
    return FORBIDDEN.findall(text)


def test_no_file_names_a_machine_or_a_registry() -> None:
    files = repository_files()
    assert ROOT / "pyproject.toml" in files
    found = {}
    for file in files:
        words = forbidden_words(file.read_bytes().decode("utf-8", errors="replace"))
        if words:
            found[str(file.relative_to(ROOT))] = words
    assert found == {}


@pytest.mark.parametrize("word", ["/wo" + "rk/main", "https://py" + "pi.org/simple", "/ho" + "me/ann/x"])
def test_a_forbidden_word_is_seen(word: str) -> None:
    assert forbidden_words(f"see {word} for more")
    assert not forbidden_words("net/work/main.py and https://example.com")
