"""Which pictures train, choose and judge: by family, or by combinations of parts that were seen apart.

`group_split` deals the families out: a validation part, and three disjoint test folds of 400 families; a model that is
tested on one fold trains on everything but that fold and the validation part. `compositional_split` holds out
(role, gender, skin tone) pictures of which every pair of parts is in training.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from shared.openmoji.families import SIZE, coarse, families, rms
from shared.openmoji.families import role as role_of
from shared.openmoji.records import Emoji, records
from shared.openmoji.render import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 3
TEST_FAMILIES, VALIDATION_FAMILIES = 400, 214
TRAIN, VALIDATION = "train", "validation"
# Every group keeps families in training: a fold or the validation part takes at most so large a share of a group.
LARGEST_SHARE = 4


@dataclass(frozen=True)
class GroupSplit:
    """Parts by family, as arrays of record indices in ascending order.

    part: (n,) "train", "validation" or the test fold "0", "1", "2" of each record; family: (n,) its family, an index;
    neutral: (n,) whether it has no skin tone; representative: (f,) the gallery picture of each family, a neutral one.
    """

    part: NDArray[np.str_]
    family: NDArray[np.int64]
    neutral: NDArray[np.bool_]
    representative: NDArray[np.int64]

    def train(self, fold: int, neutral_only: bool = False) -> NDArray[np.int64]:
        """Records to train on when `fold` is the test: all but it and the validation part."""
        chosen = (self.part != VALIDATION) & (self.part != _fold(fold))
        return np.flatnonzero(chosen & self.neutral if neutral_only else chosen)

    @property
    def validation(self) -> NDArray[np.int64]:
        """Records to choose settings on; in no fold."""
        return np.flatnonzero(self.part == VALIDATION)

    def test(self, fold: int) -> NDArray[np.int64]:
        """All records of a test fold, skin tones too."""
        return np.flatnonzero(self.part == _fold(fold))

    def gallery(self, which: int | Literal["validation"]) -> NDArray[np.int64]:
        """What is searched: one neutral picture a family of a test fold (400) or of the validation part (214)."""
        name = VALIDATION if which == VALIDATION else _fold(int(which))
        return self.representative[self.part[self.representative] == name]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name this division, for the card of weights trained on it."""
        return hashlib.sha256("\n".join(self.part.tolist()).encode()).hexdigest()[:16]


@functools.cache
def group_split(seed: int = 0) -> GroupSplit:
    """The split of the embedded pictures. seed: orders the families before they are dealt out, from 0."""
    return split_families(records(), families(), seed)


def split_families(emojis: Sequence[Emoji], family: NDArray[np.int64], seed: int) -> GroupSplit:
    """Deal families out, stratified by group; the order of the records changes nothing but the indices.

    emojis: n pictures; family: (n,) from `families_of`. Raises ValueError when a family has no neutral picture.
    """
    order = sorted(range(len(emojis)), key=lambda index: emojis[index].file_name)
    key: dict[int, str] = {}  # of a family: the first hexcode in it
    chosen: dict[int, int] = {}  # of a family: the first neutral picture in it
    for index in order:
        key.setdefault(int(family[index]), emojis[index].hexcode)
        if emojis[index].skin_tone == 0:
            chosen.setdefault(int(family[index]), index)
    if set(key) - set(chosen):
        raise ValueError("a family without a neutral picture")
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, index in chosen.items():
        groups[emojis[index].group].append(number)
    part = _deal(groups, key, seed)
    neutral = np.array([emoji.skin_tone == 0 for emoji in emojis])
    parts = np.array([part[int(number)] for number in family])
    return GroupSplit(parts, family, neutral, np.array(sorted(chosen.values())))


def _deal(groups: dict[str, list[int]], key: dict[int, str], seed: int) -> dict[int, str]:
    """Part of each family: by group, in the order of a hash that no other family changes."""
    test = _quota(groups, TEST_FAMILIES, 0)
    validation = _quota(groups, VALIDATION_FAMILIES, 1)
    part: dict[int, str] = {}
    for group, members in groups.items():
        ordered = sorted(members, key=lambda number: hashlib.sha256(f"{seed}|{key[number]}".encode()).hexdigest())
        dealt = [VALIDATION] * validation[group]
        dealt += [name for fold in range(FOLDS) for name in [_fold(fold)] * test[group]]
        dealt += [TRAIN] * (len(ordered) - len(dealt))
        part |= dict(zip(ordered, dealt, strict=True))
    return part


def _quota(groups: dict[str, list[int]], total: int, floor: int) -> dict[str, int]:
    """Families of each group, `total` in all, in proportion (largest remainders); small groups give at most a quarter
    of themselves, or `floor`, and the largest group makes up for it."""
    count = sum(map(len, groups.values()))
    share = {group: total * len(members) / count for group, members in groups.items()}
    quota = {group: max(1, int(part)) for group, part in share.items()}
    for group in sorted(share, key=lambda group: -(share[group] % 1)):
        quota[group] += sum(quota.values()) < total
    while sum(quota.values()) > total:
        quota[max(quota, key=lambda group: quota[group])] -= 1
    for group, members in groups.items():
        quota[group] = min(quota[group], max(floor, (len(members) - 1) // LARGEST_SHARE))
    while (missing := total - sum(quota.values())) > 0:
        quota[max(quota, key=lambda group: len(groups[group]))] += missing
    return quota


def _fold(fold: int) -> str:
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold must be 0 to {FOLDS - 1}, got {fold}")
    return str(fold)


def nearest(pixels: NDArray[np.uint8], judged: NDArray[np.int64], train: NDArray[np.int64]) -> NDArray[np.float32]:
    """(len(judged),) rms difference, of 255, of each judged picture to the nearest one in training: below
    `families.NEAR` it leaks. pixels: (n, 64, 64, 3); judged, train: indices."""
    cells = coarse(pixels)
    return np.asarray(rms(cells[judged], cells[train]).min(1))


def base_split(seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(judged, train): the plausible but leaking split by the neutral emoji of a skin tone alone, to show what it
    leaks. 400 neutral pictures are judged, all records of other emoji train."""
    bases = sorted(
        {emoji.base for emoji in records()}, key=lambda base: hashlib.sha256(f"{seed}|{base}".encode()).digest()
    )
    held = set(bases[:TEST_FAMILIES])
    judged = [index for index, emoji in enumerate(records()) if emoji.hexcode in held]
    train = [index for index, emoji in enumerate(records()) if emoji.base not in held]
    return np.array(judged), np.array(train)


GENDERS = ("man", "woman", "person")
TONES = 6  # neutral and five
HOLDING_HANDS = "1F46D"  # two people: which of them has the gender is not one part
VEIL = "1F470"  # of one family with the tuxedo, which stands for both
GENDER_POINTS = {"1F468": "man", "1F469": "woman", "1F9D1": "person"}


@dataclass(frozen=True)
class CompositionalSplit:
    """Held-out combinations of role, gender and skin tone; arrays over all n records where not said otherwise.

    role: (n,) name of the role, "" where a picture is no cell of a full role; gender: (n,) one of GENDERS or "";
    tone: (n,) 0 neutral, 1 light to 5 dark, -1 where no cell. cells: indices of the pictures of all full roles, every
    combination once. held: indices of the combinations held out, one a gender of each role. twins: indices of pictures
    identical to a held one. train: all others. No judgement of people is made: these are three words in a caption.
    """

    role: NDArray[np.str_]
    gender: NDArray[np.str_]
    tone: NDArray[np.int64]
    cells: NDArray[np.int64]
    held: NDArray[np.int64]
    twins: NDArray[np.int64]
    train: NDArray[np.int64]


@functools.cache
def compositional_split() -> CompositionalSplit:
    """Of 79 roles with 3 genders in 6 tones, 237 pictures held out in a Latin square, so that every pair of their
    parts is in training, and no identical picture is."""
    emojis, pixels = records(), pictures(SIZE)
    found = _full_roles(emojis)
    role = np.array([found.get(index, ("", "", -1))[0] for index in range(len(emojis))])
    gender = np.array([found.get(index, ("", "", -1))[1] for index in range(len(emojis))])
    tone = np.array([found.get(index, ("", "", -1))[2] for index in range(len(emojis))])
    at = {cell: index for index, cell in found.items()}
    held = {
        at[name, person, 1 + (row + 2 * column) % 5]
        for row, name in enumerate(sorted(set(role) - {""}))
        for column, person in enumerate(GENDERS)
    }
    same: defaultdict[bytes, set[int]] = defaultdict(set)
    for index, picture in enumerate(pixels):
        same[picture.tobytes()].add(index)
    twins = set().union(*(same[pixels[index].tobytes()] for index in held)) - held
    train = set(range(len(emojis))) - held - twins
    held_n, twins_n, train_n = (np.array(sorted(part)) for part in (held, twins, train))
    return CompositionalSplit(role, gender, tone, np.array(sorted(found)), held_n, twins_n, train_n)


def _full_roles(emojis: Sequence[Emoji]) -> dict[int, tuple[str, str, int]]:
    """(role, gender, tone) of each picture of the roles that have all 18 combinations."""
    toned = Counter(emoji.base for emoji in emojis)
    cell = {
        index: (_role(emoji.base), _gender(emoji), emoji.skin_tone)
        for index, emoji in enumerate(emojis)
        if emoji.group == "people-body" and emoji.skin_tone < TONES and toned[emoji.base] > 1
        if not emoji.base.startswith(VEIL)
    }
    counts = Counter(name for name, _, _ in cell.values())
    combinations = Counter(name for name, _, _ in set(cell.values()))
    full = {name for name in counts if combinations[name] == counts[name] == len(GENDERS) * TONES} - {HOLDING_HANDS}
    return {index: parts for index, parts in cell.items() if parts[0] in full}


def _role(base: str) -> str:
    return role_of(base) + (" right" if "27A1" in base else "")


def _gender(emoji: Emoji) -> str:
    """By its name first, since a base can be drawn as either; then by the sign or the leading person."""
    words = emoji.name.lower()
    if words.startswith(("man", "men ")):
        return "man"
    if words.startswith(("woman", "women ")):
        return "woman"
    if "2642" in emoji.base:
        return "man"
    if "2640" in emoji.base:
        return "woman"
    return next((GENDER_POINTS[point] for point in emoji.base.split("-") if point in GENDER_POINTS), "person")
