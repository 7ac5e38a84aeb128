"""What is measured: pictures of names that were in no training, beside real pictures of other things."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.diffusion.data import held_out, manifest, training_records, used, work_folder
from demos.diffusion.judging.figures import prompts_figure
from demos.diffusion.judging.kid import Distance, kernel_distance, looked_at
from demos.diffusion.judging.words import WordJudge, chance
from demos.diffusion.model.build import opened
from demos.diffusion.sampling.draw import draw, evaluations
from shared.errors import UserError
from shared.evaluation.intervals import bootstrap
from shared.files import written_whole
from shared.openmoji.records import ATTRIBUTION, captions, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.pretrained.efficientnet import efficientnet_file
from shared.pretrained.minilm import MiniLM
from shared.result import Column, Headline, Interval, Metric, Result, Table
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import DiffusionConfig, SampleSection
    from demos.diffusion.model.pipeline import PictogramPipeline
    from demos.diffusion.training.train_model import Trained
    from shared.demo import Run

THOUSAND = 1000  # KID is told in thousandths


@dataclass(frozen=True)
class Row:
    """One way to get pictures. evaluations: of the network for one picture, None where none draws."""

    name: str
    evaluations: int | None
    distance: Distance
    right: NDArray[np.bool_]


def evaluate(config: DiffusionConfig, run: Run) -> Result:
    """Train or open, draw, judge."""
    efficientnet_file()  # what cannot be had is said before an hour of training, not after
    trained, pipeline = _pipeline(config, run)
    judge = Judge(config, pipeline.unet.config.sample_size * pipeline.config.patch)
    rows = [judge.real_floor(), judge.drawn(pipeline, config.sample, "averaged weights", run)]
    unguided = config.sample.model_copy(update={"guidance": 1.0})
    rows.append(judge.drawn(pipeline, unguided, "averaged weights, no guidance", run))
    if trained is not None:
        kept = {name: tensor.clone() for name, tensor in pipeline.unet.state_dict().items()}
        pipeline.unet.load_state_dict(trained.raw)
        rows.append(judge.drawn(pipeline, config.sample, "weights of the last step", run))
        pipeline.unet.load_state_dict(kept)
    tables = [_quality(rows, config, judge)]
    if trained is not None:
        tables.append(_history(trained))
    floor, averaged = rows[:2]
    result = Result(
        headlines=[
            Headline(
                name="Kernel distance to the held-out pictures, EfficientNet features",
                value=THOUSAND * averaged.distance.value,
                unit="10⁻³",
                direction="lower",
                peer="real pictures of other things",
                peer_value=THOUSAND * floor.distance.value,
                interval=_interval(averaged.distance),
            )
        ],
        metrics=[metric for row in rows for metric in _metrics(row)],
        tables=tables,
        figures=[prompts_figure(pipeline, config, run)],
        data=used("openmoji.whl", "efficientnet-lite0.pth"),
        weights=used("model.safetensors"),
        notes=[
            f"Pictures: {ATTRIBUTION}. Rendered on white. Drawn pictures are made by a model that was trained on them.",
            "The kernel distance has the estimator of KID and other features than published ones: compare it within "
            "this report only.",
        ],
    )
    if trained is not None:
        trained.state.unlink(missing_ok=True)
    return result


class Judge:
    """Compares pictures with those of the held-out families. size: side of all pictures [pixels]."""

    def __init__(self, config: DiffusionConfig, size: int) -> None:
        self._config, self.size = config, size
        rows = held_out()
        order = generator(config.seed, "prompts").permutation(len(rows))[: config.evaluation.prompts]
        self.rows = rows[np.sort(order)]
        self.prompts = [records()[row].name for row in self.rows]
        self._words = MiniLM()
        self._asked = self._words(self.prompts)
        neutral = group_split().representative
        seen = _seen(size)
        texts = [", ".join(captions(records()[row], ["name", "tags"])) for row in neutral]
        self._reader = WordJudge.fit(seen, self._words(texts))
        self._features = {int(row): feature for row, feature in zip(neutral, seen, strict=True)}
        self._wanted = np.stack([self._features[int(row)] for row in self.rows])

    def real_floor(self) -> Row:
        """As many real pictures of other things: what a perfect draughtsman of the same style would have."""
        trained = set(training_records().tolist())
        others = np.array([row for row in self._features if row in trained])
        chosen = generator(self._config.seed, "floor").permutation(others)[: len(self.rows)]
        features = np.stack([self._features[int(row)] for row in chosen])
        return Row("real pictures of other things", None, self._distance(features), self._right(self._wanted))

    def drawn(self, pipeline: PictogramPipeline, settings: SampleSection, name: str, run: Run) -> Row:
        """One picture for each prompt, judged."""
        seeds = [int(row) for row in self.rows]
        made = draw(pipeline, self.prompts, seeds, settings, run.track)
        features = looked_at(made)
        told = f"{name}: {settings.sampler}, {settings.steps} steps"
        return Row(told, evaluations(settings), self._distance(features), self._right(features))

    def _distance(self, features: NDArray[np.float32]) -> Distance:
        return kernel_distance(features, self._wanted, generator(self._config.seed, "subsets"))

    def _right(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        return self._reader.right(features, self._asked, generator(self._config.seed, "others"))


def _seen(size: int) -> NDArray[np.float32]:
    """Features of the real pictures of all families, computed once and kept."""
    _, network = manifest().member("efficientnet-lite0.pth")
    _, drawn = manifest().member("openmoji.whl")
    file = work_folder() / f"seen-{network.sha256[:8]}-{drawn.sha256[:8]}-resvg{version('resvg_py')}-{size}.npy"
    if not file.is_file():
        with written_whole(file) as temporary:
            np.save(temporary, looked_at(np.asarray(pictures(size)[group_split().representative])))
    loaded: NDArray[np.float32] = np.load(file)
    return loaded


def _pipeline(config: DiffusionConfig, run: Run) -> tuple[Trained | None, PictogramPipeline]:
    if config.model.name == "train":
        from demos.diffusion.training.train_model import train_model

        run.say(f"training on {len(training_records()):,} pictures")
        trained = train_model(config, run.folder / "pipeline", run.track)
        return trained, trained.pipeline
    kind, _, place = config.model.name.partition(":")
    if kind != "local-dir" or not place:
        raise UserError(f"model.name={config.model.name}: allowed are train and local-dir:FOLDER")
    return None, opened(Path(place).expanduser())


def _interval(distance: Distance) -> Interval:
    return Interval(
        low=THOUSAND * distance.low, high=THOUSAND * distance.high, unit="halves of the pictures, without repeats"
    )


def _metrics(row: Row) -> list[Metric]:
    return [
        Metric(
            name=f"kernel distance: {row.name}",
            value=THOUSAND * row.distance.value,
            unit="10⁻³",
            direction="lower",
            interval=_interval(row.distance),
        ),
        Metric(name=f"R-precision: {row.name}", value=100 * float(row.right.mean()), unit="%", direction="higher"),
    ]


def _quality(rows: list[Row], config: DiffusionConfig, judge: Judge) -> Table:
    cells: list[list[str | float | None]] = []
    for row in rows:
        spread = bootstrap(100.0 * row.right, resamples=config.evaluation.bootstrap, seed=config.seed, unit="prompts")
        distance = row.distance
        cells.append(
            [
                row.name,
                row.evaluations,
                THOUSAND * distance.value,
                f"{THOUSAND * distance.low:.1f} to {THOUSAND * distance.high:.1f}",
                100 * float(row.right.mean()),
                f"{spread.low:.1f} to {spread.high:.1f}",
            ]
        )
    return Table(
        title="Pictures of held-out names",
        columns=[
            Column(name="pictures"),
            Column(name="evaluations", digits=0),
            Column(name="kernel distance", unit="10⁻³", direction="lower"),
            Column(name="95 % of halves"),
            Column(name="R-precision", unit="%", direction="higher"),
            Column(name="95 %"),
        ],
        rows=cells,
        caption=f"{len(judge.prompts)} names of families that were in no training, one picture each of {judge.size} "
        f"pixels, against the real pictures of those names. Evaluations of the network for one picture; guidance "
        f"doubles them. R-precision: share of pictures whose own name is the nearest of 100, to a judge that knows all "
        f"real pictures; chance {100 * chance(judge.prompts):.1f} %; in the first row it is told of the real held-out "
        f"pictures, which it has learned.",
    )


def _history(trained: Trained) -> Table:
    losses = trained.history.losses
    return Table(
        title="While training",
        columns=[Column(name="hundred steps"), Column(name="loss", direction="lower", digits=4)],
        rows=[[str(number + 1), loss] for number, loss in enumerate(losses)][:: max(1, len(losses) // 20)],
        caption="Weighted mean square error of the velocity, mean over a hundred steps.",
    )
