"""What comes in of the user's own pictures, in whichever form: each picture once, each file that is passed over named.

corpus = read_corpus("~/Pictures")
print(corpus.summary())                       # 1,234 pictures, 12 skipped: 5 broken, 4 hidden, 3 duplicate
shared.corpus.skipped.write_report(corpus.problems, Path("skipped.csv"))
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from demos.clip_retrieval.corpus.shards import COMPRESSED, expand, read_shards
from shared.corpus.folder import read_folder
from shared.corpus.items import Item, Problem, shown
from shared.corpus.pictures import Reason, Unreadable, check_header
from shared.corpus.skipped import counted, summary
from shared.errors import UserError

Duplicates = Literal["once", "keep"]
# As `Run.map`: (label, function, items) -> results in order.
Map = Callable[[str, Callable[[Any], Any], Iterable[Any]], list[Any]]
EXPECTED = (
    "expected a folder of pictures (captions in .txt beside them or in metadata.jsonl), a webdataset .tar, "
    "a folder of those, or a pattern such as shards-{000..012}.tar"
)
ITEMS_A_SCAN = 512


@dataclass(frozen=True)
class Corpus:
    """Pictures that can probably be read (their headers can), and what was passed over. About 1 kB a picture.

    Every item has its sha256. `kept_duplicates`: pictures whose bytes are those of one before, if they were kept.
    """

    form: Literal["folder", "webdataset"]
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    kept_duplicates: int = 0

    def summary(self) -> str:
        """One line: how many pictures, and how many files were skipped for which reason."""
        line = summary(len(self.items), self.problems)
        return f"{line}; {self.kept_duplicates:,} exact duplicates kept" if self.kept_duplicates else line


def one_by_one(label: str, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """A `Map` in this process."""
    return [function(item) for item in items]


def read_corpus(
    path: str | os.PathLike[str],
    *,
    max_megapixels: float = 50.0,
    duplicates: Duplicates = "once",
    follow_links: bool = False,
    mapper: Map = one_by_one,
) -> Corpus:
    """All pictures of a folder, of webdataset tars or of a brace pattern of tars; every byte is read once, to hash it.

    path: `~` is expanded. max_megapixels: see `open_picture`. duplicates: of files with the same bytes keep the first
    by name ("once"; the others are named as skipped) or all ("keep"). mapper: `run.map` to hash in all workers.
    Raises UserError, in one line, where path is absent, is none of these forms, or holds nothing that can be read.
    """
    found: list[Problem] = []
    form, items = _find(path, found, follow_links)
    chunks = [tuple(items[start : start + ITEMS_A_SCAN]) for start in range(0, len(items), ITEMS_A_SCAN)]
    answers = [answer for part in mapper("read", partial(scan, max_megapixels), chunks) for answer in part]
    kept: list[Item] = []
    first: dict[str, str] = {}
    keys: set[str] = set()
    again = 0
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, Problem):
            found.append(answer)
        elif item.key in keys:
            found.append(Problem(item.key, Reason.DUPLICATE, "of its name in the same tar; the first one counts"))
        elif answer in first and duplicates == "once":
            found.append(Problem(item.key, Reason.DUPLICATE, f"same bytes as {first[answer]}"))
        else:
            again += answer in first
            first.setdefault(answer, item.key)
            keys.add(item.key)
            kept.append(replace(item, sha256=answer))
    if not kept:
        raise UserError(nothing_left(path, found))
    return Corpus(form, tuple(kept), tuple(found), again)


def scan(max_megapixels: float, items: Sequence[Item]) -> list[str | Problem]:
    """For each item the sha256 of its bytes, or why it is skipped; decodes nothing."""
    answers: list[str | Problem] = []
    for item in items:
        try:
            data = item.source.read()
            check_header(io.BytesIO(data), max_megapixels)
            answers.append(hashlib.sha256(data).hexdigest())
        except Unreadable as error:
            answers.append(Problem(item.key, error.reason, error.detail))
    return answers


def _find(
    path: str | os.PathLike[str], problems: list[Problem], follow_links: bool
) -> tuple[Literal["folder", "webdataset"], list[Item]]:
    text = os.fspath(path)
    place = Path(text).expanduser()
    if place.is_dir():
        items = list(read_folder(place, problems, follow_links))
        tars = [problem for problem in problems if problem.reason is Reason.OTHER and problem.file.endswith(".tar")]
        if items or not tars:
            return "folder", items
        problems[:] = [problem for problem in problems if problem not in set(tars)]
        return "webdataset", list(read_shards([(tar.file, place / tar.file) for tar in tars], problems))
    if place.is_file():
        if not text.lower().endswith(".tar"):
            packed = "; unpack it to .tar first" if text.lower().endswith((*COMPRESSED, ".zip")) else ""
            raise UserError(f"{text}: {EXPECTED}; got a single file{packed}")
        return "webdataset", list(read_shards([(shown(place.name), place)], problems))
    if "{" in text and text.endswith(".tar"):
        shards = expand(str(place))
        if any(shard.is_file() for shard in shards):
            return "webdataset", list(read_shards(named(shards), problems))
        raise UserError(f"{text}: none of its {len(shards):,} shards is there, the first being {shards[0]}")
    raise UserError(f"{text}: there is no such folder or file; {EXPECTED}")


def named(shards: Sequence[Path]) -> list[tuple[str, Path]]:
    """Each tar with its path below the folder that all share, which is its name in keys."""
    common = os.path.commonpath([shard.absolute().parent for shard in shards])
    return [(shown(shard.absolute().relative_to(common).as_posix()), shard) for shard in shards]


def nothing_left(path: str | os.PathLike[str], problems: Sequence[Problem]) -> str:
    """The message of a corpus without a picture: what was there instead."""
    if not problems:
        return f"{os.fspath(path)}: no pictures in it; {EXPECTED}"
    passed_over = (Reason.HIDDEN, Reason.OTHER, Reason.LINK)
    first = next((problem for problem in problems if problem.reason not in passed_over), problems[0])
    counts = counted(problems)
    return (
        f"{os.fspath(path)}: no picture can be used: {counts}; the first is {first.file!r} ({first.detail}); {EXPECTED}"
    )
