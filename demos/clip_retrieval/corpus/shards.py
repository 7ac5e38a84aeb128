"""Pictures in webdataset tars, as img2dataset writes and open_clip reads them: nothing is unpacked, nothing unpickled.

webdataset decides what belongs to one sample and expands brace patterns. Its reader is not used: it decodes pickled
members, runs `pipe:` addresses as commands, and can only stream, while the workers here read each picture at its place.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from shared.corpus.folder import BESIDE, is_picture
from shared.corpus.items import Item, Problem, Source, shown
from shared.corpus.pictures import Reason, Unreadable
from shared.corpus.words import MAX_BYTES, Words, problem_of
from shared.errors import UserError

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MOST_SHARDS = 1_000_000
META = re.compile(r"__[^/]*__($|/)")


class Member(NamedTuple):
    """A regular file in a tar: its name there, and where its bytes are [bytes]."""

    name: str
    offset: int
    size: int


def expand(pattern: str) -> list[Path]:
    """The tars that a brace pattern such as `shards-{000..012}.tar` means, in its order. Raises UserError."""
    braces = _library("braceexpand")
    try:
        names = list(islice(braces.braceexpand(pattern), MOST_SHARDS + 1))
    except braces.UnbalancedBracesError:
        raise UserError(f"{pattern}: the braces do not match; an example is shards-{{000..012}}.tar") from None
    if len(names) > MOST_SHARDS:
        raise UserError(f"{pattern}: means more than {MOST_SHARDS:,} shards")
    return [Path(name) for name in names]


def read_shards(shards: list[tuple[str, Path]], problems: list[Problem]) -> Iterator[Item]:
    """Each picture of the tars, in their order; no picture is read.

    shards: (name in keys and reports, tar). The key of a picture is "<shard>:<member>". A sample is the consecutive
    members whose names are equal up to the first dot; its words are those of its `.txt` and `.json`. What is passed
    over is appended to `problems`; of a tar that is cut off, what comes before the cut is kept.
    """
    tariterators = _library("webdataset.tariterators")
    for name, tar in shards:

        def split(member: str, name: str = name) -> tuple[str | None, str | None]:
            key, suffix = tariterators.base_plus_ext(member)
            if key is None:
                problems.append(Problem(f"{name}:{shown(member)}", Reason.OTHER, "no suffix, so in no sample"))
            return key, suffix

        def report(error: Exception, name: str = name) -> bool:
            problems.append(Problem(name, Reason.SHARD, shown(str(error.args[0]))[:200]))
            return True

        files = ({"fname": found.name, "data": found, "__url__": name} for found in members(name, tar, problems))
        for sample in tariterators.group_by_keys(files, keys=split, handler=report):
            yield from _pictures(name, tar, sample, problems)


def members(name: str, tar: Path, problems: list[Problem]) -> Iterator[Member]:
    """The regular files of a tar that can be read at their place, from headers alone; see `read_shards`."""

    def refuse(reason: Reason, detail: str, member: str = "") -> None:
        problems.append(Problem(f"{name}:{shown(member)}" if member else name, reason, detail))

    try:
        size = tar.stat().st_size
        with tarfile.open(tar, "r:") as archive:
            before = -1
            while (member := archive.next()) is not None:
                if archive.offset <= before or member.size < 0:
                    raise tarfile.ReadError("a member of negative size")
                before = archive.offset
                # It would keep every header.
                archive.members.clear()  # type: ignore[attr-defined]
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"cut off within {shown(member.name)}")
                if META.match(member.name) or member.name.rpartition("/")[2].startswith("."):
                    refuse(Reason.HIDDEN, "member", member.name)
                elif member.isreg() and member.sparse is None:
                    yield Member(member.name, member.offset_data, member.size)
                elif not member.isdir():
                    refuse(Reason.LINK if member.issym() or member.islnk() else Reason.OTHER, "no file", member.name)
            _check_end(tar, archive.offset)
    except (OSError, tarfile.TarError, ValueError, OverflowError) as error:
        packed = tar.name.lower().endswith(COMPRESSED)
        refuse(Reason.SHARD, "compressed: unpack it to .tar" if packed else _why(error))


def _check_end(tar: Path, offset: int) -> None:
    """tarfile takes a damaged header for the end; the real end is a block of zeros."""
    with tar.open("rb") as file:
        file.seek(max(offset, 0))
        block = file.read(512)
    if len(block) < 512:
        raise tarfile.ReadError("cut off: no end mark")
    if block.strip(b"\0"):
        raise tarfile.ReadError(f"damaged at byte {offset:,}; what comes after is lost")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _pictures(name: str, tar: Path, sample: dict[str, Any], problems: list[Problem]) -> Iterator[Item]:
    """The items of one sample: one for each of its pictures, with the same words."""
    files = {suffix: value for suffix, value in sample.items() if isinstance(value, Member)}
    caption: str | None = None
    more: dict[str, str] = {}
    for suffix, read in BESIDE.items():
        if found := files.pop(suffix[1:], None):
            place = f"{name}:{shown(found.name)}"
            words = _words(tar, found, read, place, problems)
            caption, more = caption or words.caption, {**words.more, **more}
    pictures = [found for found in files.values() if is_picture(found.name)]
    for found in files.values():
        key = f"{name}:{shown(found.name)}"
        if found in pictures:
            yield Item(key, Source(str(tar), found.offset, found.size), caption, {**more, "folder": name})
        else:
            problems.append(Problem(key, Reason.OTHER, "no picture; not opened"))
    if not pictures:
        detail = "no picture in this sample; the files of one must be consecutive"
        problems.append(Problem(f"{name}:{shown(sample['__key__'])}", Reason.OTHER, detail))


def _words(tar: Path, found: Member, read: Any, place: str, problems: list[Problem]) -> Words:
    try:
        data = Source(str(tar), found.offset, min(found.size, MAX_BYTES)).read()
    except Unreadable as error:
        problems.append(Problem(place, Reason.METADATA, error.detail))
        return Words()
    words: Words = read(data, problem_of(problems, place))
    return words


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            'webdataset tars need webdataset, which is not installed: pip install -e ".[clip_retrieval]"'
        ) from None
