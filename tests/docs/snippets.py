"""Commands and Python programs in the pages of the documentation."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "data").rglob("*.md"),
        *(ROOT / "stylenet/assets/networks").rglob("*.md"),
    ]
)
# First words by which an indented block is told from formulas and listings of files.
PROGRAMS = {
    *("stylenet", "python", "python3", "torchrun", "srun", "sbatch", "exec"),
    *("pip", "make", "source", "export", "eval", "cd", "cp", "for", "pre-commit", "hf"),
    *("docker", "apptainer", "STYLE=mosaic"),
}


class Snippet(NamedTuple):
    """A command, or a program in Python.

    Attributes:
        page: Path of the page in the repository.
        line: Line of the page on which it begins, from 1.
        text: The command in one line (a loop has several), or the program.
        language: ``shell`` or ``python``.
    """

    page: str
    line: int
    text: str
    language: str


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def find_snippets(path: Path) -> list[Snippet]:
    """Return the commands and programs of a page, in its order."""
    snippets = []
    for line, text, language in _blocks(path.read_text().splitlines()):
        if language == "python":
            snippets.append(Snippet(page_name(path), line, text, language))
        elif language in ("", "bash", "sh"):
            snippets += [
                Snippet(page_name(path), line + offset, command, "shell")
                for offset, command in _commands(text)
            ]
    return snippets


def _blocks(lines: list[str]) -> list[tuple[int, str, str]]:
    """Return first line, text and language of fenced and of indented blocks of commands."""
    blocks = []
    number = 0
    while number < len(lines):
        start = number
        if match := re.match(r"( *)```(\w*)$", lines[number]):
            while lines[number := number + 1].strip() != "```":
                pass
            text = "\n".join(line[len(match[1]) :] for line in lines[start + 1 : number])
            if match[2]:  # a fence without a language holds a listing
                blocks.append((start + 2, text, match[2]))
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            text = "\n".join(line[4:] for line in lines[start:number])
            if _first_word(text) in PROGRAMS:
                blocks.append((start + 1, text, ""))
            continue
        number += 1
    return blocks


def _first_word(text: str) -> str:
    """Return the first word that is not in a comment."""
    words = re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE).split()
    return words[0] if words else ""


def _commands(text: str) -> list[tuple[int, str]]:
    """Return the commands of a block, each with its offset in lines."""
    commands: list[tuple[int, str]] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        start, parts = number, [lines[number]]
        if parts[0].startswith("for "):
            while lines[number] != "done":
                number += 1
                parts.append(lines[number])
            command = "\n".join(parts)
        else:
            while parts[-1].endswith("\\"):
                number += 1
                parts.append(lines[number].strip())
            command = " ".join(part.removesuffix("\\").strip() for part in parts)
            command = re.sub(r"(^|\s+)#.*$", "", command)
        if command.strip():
            commands.append((start, command.strip()))
        number += 1
    return commands
