"""The user's folder of pictures: what lies in it, the words beside each picture, and what is passed over and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.corpus.items import Item, Problem, Source, shown
from shared.corpus.pictures import Reason
from shared.corpus.words import (
    MAX_BYTES,
    METADATA_FILES,
    Words,
    canonical,
    from_json,
    from_text,
    problem_of,
    read_metadata,
)

# What may be a picture by its name; whether it is one, its bytes say. The last few are named with a way out.
PICTURE_SUFFIXES = set(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .gif .tif .tiff .bmp .dib .avif .jp2 .j2k .jpx .ppm .pgm .pbm .pnm "  # noqa: SIM905
    ".tga .ico .qoi .heic .heif .svg".split()
)
BESIDE: dict[str, Callable[[bytes, Callable[[str], None]], Words]] = {".txt": from_text, ".json": from_json}
# Rows of metadata not yet met by a file: path below the root -> (words, where the row is).
Rows = dict[str, tuple[Words, str]]


def is_picture(name: str) -> bool:
    """Whether a file may be a picture by its suffix, in any case."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def read_folder(root: Path, problems: list[Problem], follow_links: bool = False) -> Iterator[Item]:
    """Each file under `root` that may be a picture, folder by folder in the order of names; no picture is read.

    Its words are those of the nearest `metadata.jsonl`, `.csv` or `.parquet` that names it, in its folder or one above
    (as HF's imagefolder has it), else of `<stem>.txt` and `<stem>.json` beside it (as img2dataset writes them). The
    fact `folder` is its folder below root, so that class folders can be filtered; "" is root itself. What is passed
    over is appended to `problems`. Links are followed with `follow_links`, or when they lead to a file inside root.
    """
    rows: Rows = {}
    keys: set[str] = set()
    for folder, names in walk(root, problems, follow_links):
        place = "" if folder == root else shown(folder.relative_to(root).as_posix())
        _add_rows(folder, place, names, rows, problems)
        stems, present = {Path(name).stem for name in names if is_picture(name)}, set(names)
        for name in names:
            key = f"{place}/{shown(name)}".lstrip("/")
            suffix = Path(name).suffix.lower()
            if is_picture(name) and key not in keys:
                keys.add(key)
                row = rows.pop(canonical(key), None)
                words = row[0] if row else _beside(folder, name, present, key, problems)
                yield Item(key, Source(str(folder / name)), words.caption, {**words.more, "folder": place})
            elif is_picture(name):
                problems.append(Problem(key, Reason.UNREADABLE, "its name, once made UTF-8, is that of another file"))
            elif name not in METADATA_FILES and not (suffix in BESIDE and Path(name).stem in stems):
                detail = f"{shown(suffix) or 'no suffix'} is no picture"
                detail = "a tar beside pictures; give it by itself" if suffix == ".tar" else detail
                problems.append(Problem(key, Reason.OTHER, detail))
    for name, (_, line) in rows.items():
        if not _is_inside(name) or not (root / name).is_file():
            problems.append(Problem(line, Reason.ABSENT, name))


def walk(root: Path, problems: list[Problem], follow_links: bool) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names of its regular files) below `root`, in the order of names; no hidden ones, no folder twice."""

    def refuse(path: Path, reason: Reason, detail: str) -> bool:
        problems.append(Problem(shown(path.relative_to(root).as_posix()), reason, detail))
        return False

    def on_error(error: OSError) -> None:
        refuse(Path(error.filename), Reason.UNREADABLE, f"folder: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    inside = root.resolve()
    for text, folders, names in os.walk(root, onerror=on_error, followlinks=True):
        folder = Path(text)
        try:
            place = folder.stat()
        except OSError as error:  # gone since its parent was read
            on_error(error)
            continue
        if (place.st_dev, place.st_ino) in seen:
            refuse(folder, Reason.LINK, "to a folder that was read already")
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = [name for name in sorted(folders) if _enter(folder / name, follow_links, refuse)]
        yield folder, [name for name in sorted(names) if _take(folder / name, inside, follow_links, refuse)]


Refuse = Callable[[Path, Reason, str], bool]


def _enter(folder: Path, follow_links: bool, refuse: Refuse) -> bool:
    if folder.name.startswith(".") or folder.name == "__MACOSX":
        return refuse(folder, Reason.HIDDEN, "folder")
    if folder.is_symlink() and not follow_links:
        return refuse(folder, Reason.LINK, "to a folder; follow_links reads it")
    return True


def _take(file: Path, inside: Path, follow_links: bool, refuse: Refuse) -> bool:
    if file.name.startswith(".") or file.name.lower() in ("thumbs.db", "desktop.ini"):
        return refuse(file, Reason.HIDDEN, "file")
    try:
        if file.is_symlink() and not follow_links and not file.resolve().is_relative_to(inside):
            return refuse(file, Reason.LINK, "out of the folder; follow_links reads it")
        # A pipe would be waited for without end.
        if not stat.S_ISREG(file.stat().st_mode):
            return refuse(file, Reason.OTHER, "no regular file")
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
        return refuse(file, Reason.LINK if file.is_symlink() else Reason.UNREADABLE, _why(error))
    return True


def _why(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "a circle of links"


def _add_rows(folder: Path, place: str, names: list[str], rows: Rows, problems: list[Problem]) -> None:
    """Add what the metadata file of this folder says; it overrides those of the folders above."""
    first, *others = [name for name in METADATA_FILES if name in names] or [""]
    for name in others:
        detail = f"not read: there is {first} in the same folder"
        problems.append(Problem(f"{place}/{name}".lstrip("/"), Reason.METADATA, detail))
    if not first:
        return

    def report(where: str, detail: str) -> None:
        problems.append(Problem(f"{place}/{where}".lstrip("/"), Reason.METADATA, detail))

    named: set[str] = set()
    for line, name, words in read_metadata(folder / first, report):
        if name in named:
            report(f"{first}:{line}", f"names {name} again; the first row counts")
            continue
        named.add(name)
        where = f"{place}/{first}:{line}".lstrip("/")
        rows[canonical(f"{place}/{name}".lstrip("/"))] = words, where


def _is_inside(name: str) -> bool:
    return not name.startswith(("../", "/")) and name != ".."


def _beside(folder: Path, name: str, names: set[str], key: str, problems: list[Problem]) -> Words:
    """Words of `<stem>.txt` and `<stem>.json`; the text is the caption where both have one."""
    caption: str | None = None
    more: dict[str, str] = {}
    for suffix, read in BESIDE.items():
        for beside in (Path(name).stem + suffix, Path(name).stem + suffix.upper()):
            if beside not in names:
                continue
            place = str(Path(key).with_name(shown(beside)))
            try:
                with (folder / beside).open("rb") as file:
                    words = read(file.read(MAX_BYTES), problem_of(problems, place))
            except OSError as error:
                problems.append(Problem(place, Reason.METADATA, error.strerror or type(error).__name__))
                continue
            caption, more = caption or words.caption, {**words.more, **more}
    return Words(caption, more)
