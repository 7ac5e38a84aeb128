"""Compares pictures with those of families that were in no training."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from demos.diffusion.data import held_out, manifest, training_records, validation, work_folder
from demos.diffusion.judging.kid import SIDE, Distance, kernel_distance, looked_at
from demos.diffusion.judging.words import WordJudge
from demos.diffusion.sampling.draw import Correction, draw, evaluations
from shared.files import written_whole
from shared.openmoji.records import captions, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.pretrained.minilm import MiniLM
from shared.pretrained.words import cleaned
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import DiffusionConfig, SampleSection
    from demos.diffusion.model.pipeline import PictogramPipeline
    from shared.demo import Run

Guide = Callable[[Sequence[str]], Correction]
APART = 1_000_000_007  # between the seeds of the pictures of two runs


@dataclass(frozen=True)
class Row:
    """One way to get pictures. right: (n,) how probably each shows its words, see `WordJudge.precision`; evaluations:
    of the network for one picture, None where none draws; seconds: for one picture, drawn in batches; made: (n, s, s,
    3) the pictures."""

    name: str
    distance: Distance
    right: NDArray[np.float64]
    evaluations: int | None = None
    seconds: float | None = None
    made: NDArray[np.uint8] | None = field(default=None, repr=False)


class Judge:
    """Of pictures of `size` x `size` pixels, on the families that the config names. whose: those, in a word."""

    def __init__(self, config: DiffusionConfig, size: int, run: Run) -> None:
        self._config, self._run, self.size = config, run, size
        test = config.evaluation.families == "test"
        rows = held_out() if test else validation()
        self.whose, self.chose = ("held-out", "") if test else ("validation", " but chose settings")
        order = generator(config.seed, "prompts").permutation(len(rows))[: config.evaluation.prompts]
        self.rows = rows[np.sort(order)]
        self.prompts = [cleaned(records()[row].name) for row in self.rows]
        self.seeds = picture_seeds(config.seed, self.rows.tolist())
        self._words = MiniLM()
        self._asked = self._words(self.prompts)
        neutral = group_split().representative
        seen = real_features(size, neutral)
        texts = [", ".join(captions(records()[row], ["name", "tags"])) for row in neutral]
        self.reader = WordJudge.fit(seen, self._words(texts))
        trained = set(training_records().tolist())
        at = {int(row): place for place, row in enumerate(neutral)}
        self._places = np.array([at[int(row)] for row in self.rows])
        self.wanted = seen[self._places]
        # One of each family.
        self.train_rows = np.array([row for row in at if row in trained])
        self._train_features = seen[[at[row] for row in self.train_rows.tolist()]]

    def real_floor(self) -> Row:
        """As many real pictures of other things: what a perfect draughtsman of the same style would have. Its precision
        is that of the real pictures of the prompts, each read by a judge that does not know it."""
        features = self._train_features[self._others()]
        return Row("real pictures of other things", self._distance(features), self._left_out(self.wanted))

    def real_with_noise(self, levels: float) -> Row:
        """The same with normal noise: a yardstick for what the kernel distance sees. levels: of 255."""
        others, own = (
            looked_at(noisy(np.asarray(pictures(self.size)[rows]), levels, generator(self._config.seed, "noise")))
            for rows in (self.train_rows[self._others()], self.rows)
        )
        return Row(f"the same with noise of {levels:g} of 255 levels", self._distance(others), self._left_out(own))

    def known(self) -> float:
        """The precision of the real pictures of the prompts, read by the judge, which knows them."""
        return float(self._right(self.wanted).mean())

    def _others(self) -> NDArray[np.int64]:
        return generator(self._config.seed, "floor").permutation(len(self.train_rows))[: len(self.rows)]

    def drawn(self, pipeline: PictogramPipeline, settings: SampleSection, name: str, guide: Guide | None = None) -> Row:
        """One picture for each prompt, judged."""
        began = time.perf_counter()
        made = draw(pipeline, self.prompts, self.seeds, settings, self._run.track, guide)
        seconds = (time.perf_counter() - began) / len(made)
        return self.judged(made, name, evaluations(settings), seconds)

    def judged(self, made: NDArray[np.uint8], name: str, looks: int, seconds: float) -> Row:
        """Pictures that were drawn for `prompts`, judged. looks: evaluations for one picture; seconds: for one."""
        features = looked_at(made)
        return Row(name, self._distance(features), self._right(features), looks, seconds, made)

    def _distance(self, features: NDArray[np.float32]) -> Distance:
        return kernel_distance(features, self.wanted, generator(self._config.seed, "subsets"))

    def _right(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.reader.precision(self.reader.says(features), self._asked)

    def _left_out(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.reader.precision(self.reader.says(features, self._places), self._asked)


def picture_seeds(seed: int, numbers: Sequence[int]) -> list[int]:
    """Of pictures by their numbers, in a run of a seed; in one of seed 0 the numbers themselves, so that `trendlab
    generate NAME --seed NUMBER` draws a picture of a report again."""
    return [(number + APART * seed) % 2**63 for number in numbers]


def noisy(pixels: NDArray[np.uint8], levels: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures of any shape with normal noise of so many of 255 levels."""
    return (pixels + random.normal(0, levels, pixels.shape)).round().clip(0, 255).astype(np.uint8)


def real_features(size: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, 1280) of the real pictures of n records, computed once and kept. size: of the pictures [pixels]."""
    _, network = manifest().member("efficientnet-lite0.pth")
    _, drawn = manifest().member("openmoji.whl")
    whose = hashlib.sha256(rows.tobytes()).hexdigest()[:8]
    made = f"{network.sha256[:8]}-{drawn.sha256[:8]}-resvg{version('resvg_py')}"
    file = work_folder() / f"seen-{made}-{whose}-{size}-{SIDE}.npy"
    if not file.is_file():
        with written_whole(file) as temporary:
            np.save(temporary, looked_at(np.asarray(pictures(size)[rows])))
    loaded: NDArray[np.float32] = np.load(file)
    return loaded
