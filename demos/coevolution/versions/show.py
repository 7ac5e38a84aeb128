"""What `trendlab students` does."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.tree import Tree

from demos.coevolution.data import SLUG
from demos.coevolution.versions.store import STUDENTS, Store
from demos.coevolution.versions.version import Version
from shared.commands.tables import WIDE, say
from shared.errors import UserError
from shared.run import output_root


def act(action: str, words: list[str], folder: Path | None, kind: str) -> None:
    """Do one of history, answer, deploy, rollback. Raises UserError when it cannot be done."""
    store = Store(folder.expanduser() if folder else newest())
    if action == "history":
        Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(tree(store), soft_wrap=True)
    elif action == "answer":
        _answer(store, words, kind)
    elif action == "deploy":
        store.deploy(_one(words, "deploy takes the name of a version"))
        say(f"deployed: {words[0]}")
    else:
        before = store.deployed(_one(words, "rollback takes one of device, edge, cloud")).name
        say(f"deployed: {store.rollback(words[0]).name}, in the place of {before}")


def newest() -> Path:
    """Versions of the newest run that has some. Raises UserError when there is none."""
    found = sorted((output_root() / SLUG).glob(f"[!.]*/{STUDENTS}"))
    if not found:
        raise UserError(f"no run under {output_root() / SLUG} has versions; `trendlab run {SLUG}` makes some")
    return found[-1]


def _one(words: list[str], said: str) -> str:
    if len(words) != 1:
        raise UserError(f"{said}; {len(words)} were given")
    return words[0]


def tree(store: Store) -> Tree:
    """All versions, each under the one it was made from; those that answer are marked."""
    versions, current = store.versions(), set(store.current().values())
    if not versions:
        raise UserError(f"there are no versions in {store.folder}")
    found = Tree(str(store.folder))
    branches: dict[str | None, Tree] = {None: found}
    for version in versions:
        branches[version.name] = branches.get(version.parent, found).add(_line(version, version.name in current))
    return found


def _line(version: Version, answers: bool) -> str:
    scores = ", ".join(f"{scene} {100 * score:.1f}" for scene, score in version.scores.items())
    taught = f", taught by {version.teacher}" if version.teacher else ""
    name = f"[bold green]{version.name}[/] (answers)" if answers else f"[bold]{version.name}[/]"
    return f"{name}: {version.note}{taught}\n  [dim]{scores or 'not scored'}; learned from {version.data[:8] or '?'}[/]"


def _answer(store: Store, words: list[str], kind: str) -> None:
    from demos.coevolution.deploy.runtime import Student

    if not words:
        raise UserError("answer takes a text, or - for lines of standard input")
    student = Student(store.deployed(kind))
    for text in _lines() if words == ["-"] else [" ".join(words)]:
        odds = student(text)
        label = max(odds, key=lambda name: odds[name])
        say(f"{label}\t{odds[label]:.3f}\t{text}")


def _lines() -> list[str]:
    try:
        return [line for line in sys.stdin.buffer.read().decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"standard input is not in UTF-8: byte {error.start + 1} is no part of a character") from None
