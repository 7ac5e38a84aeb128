"""The parts of a report, each a question with its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from demos.diffusion.config import CONSISTENCY_STEPS
from demos.diffusion.data import training_records
from demos.diffusion.judging import figures
from demos.diffusion.judging.compose import colour_of, share, things_of, unseen
from demos.diffusion.judging.judge import noisy, picture_seeds
from demos.diffusion.judging.kid import looked_at
from demos.diffusion.judging.memory import nearest
from demos.diffusion.judging.tables import distance_headline, gains, how_judged, metrics, ways
from demos.diffusion.judging.variety import variety
from demos.diffusion.sampling.choose import best_of
from demos.diffusion.sampling.draw import draw, evaluations
from demos.diffusion.sampling.guide import ClipGuide
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.openmoji.families import NEAR, families
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.pretrained.minilm import MiniLM
from shared.pretrained.words import cleaned
from shared.result import Column, Figure, Headline, Metric, Table
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.judging.judge import Guide, Judge, Row
    from demos.diffusion.model.clip import Clip
    from demos.diffusion.model.pipeline import PictogramPipeline
    from shared.demo import Run

Who = Literal["teacher", "student", "peer"]
PEER = (
    " Latent consistency distillation is diffusers' LoRA script in pixels, with its option of a pseudo-Huber loss, and "
    "the adapter, optimizer, sampler, average of weights and number of evaluations of the student, at a rate of its "
    "own; the teacher's guidance is the student's one instead of drawn from a range, and what is beyond black and "
    "white is cut."
)
NOISE = 3.0  # of 255 levels, which eyes hardly see
FIRST = "DDIM, 50 steps"
# Of the teacher's ways, on validation names.
BEST = "DPM-Solver++ SDE Karras, 20 steps"
BEST_WAY: dict[str, Any] = {"sampler": "dpm++sdekarras", "steps": 20}
NAMES = {
    "ddim": "DDIM",
    "dpm++": "DPM-Solver++",
    "dpm++karras": "DPM-Solver++ Karras",
    "dpm++sde": "DPM-Solver++ SDE",
    "dpm++sdekarras": "DPM-Solver++ SDE Karras",
    "euler": "Euler",
    "heun": "Heun",
}


@dataclass
class Findings:
    """What a part adds to a report."""

    headlines: list[Headline] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


class Studio:
    """The pipelines with the judge of what they draw; what was drawn once is not drawn again."""

    def __init__(
        self, pipelines: Mapping[Who, PictogramPipeline], judge: Judge, config: DiffusionConfig, run: Run
    ) -> None:
        self.pipelines, self.judge, self.config, self.run = pipelines, judge, config, run
        self._rows: dict[str, Row] = {}

    @property
    def teacher(self) -> PictogramPipeline:
        """Of `pipelines`."""
        return self.pipelines["teacher"]

    @property
    def student(self) -> PictogramPipeline | None:
        """Of `pipelines`, where there is one."""
        return self.pipelines.get("student")

    def row(self, name: str, guide: Guide | None = None, *, who: Who = "teacher", **settings: Any) -> Row:
        """The pictures of the judge's names, drawn with `sample` but for these settings."""
        chosen = self.config.sample.model_copy(update=settings)
        key = f"{who} {chosen.model_dump_json()} {name if guide else ''}"
        if key not in self._rows:
            self.run.say(f"drawing: {name}")
            self._rows[key] = self.judge.drawn(self.pipelines[who], chosen, name, guide)
        return replace(self._rows[key], name=name)

    def reference(self) -> Row:
        """What everything is compared with."""
        return self.row(FIRST, sampler="ddim", steps=50)


def quality(studio: Studio) -> Findings:
    """How near to real pictures, and what guidance does."""
    floor, first = studio.judge.real_floor(), studio.reference()
    few = studio.row("DPM-Solver++ SDE, 10 steps", sampler="dpm++sde", steps=10)
    rows = [
        floor,
        studio.judge.real_with_noise(NOISE),
        first,
        studio.row("DPM-Solver++, 10 steps", sampler="dpm++", steps=10),
        studio.row("DPM-Solver++ Karras, 10 steps", sampler="dpm++karras", steps=10),
        few,
        studio.row("DPM-Solver++ SDE, 50 steps", sampler="dpm++sde", steps=50),
        studio.row("DDIM, 50 steps, no guidance", sampler="ddim", steps=50, guidance=1.0),
    ]
    caption = (
        f"{how_judged(studio.judge)} SDE takes fresh noise at each step, the others none. In the first two rows "
        f"R-precision is that of the real pictures of the names, each read by a judge that has not learned it; of the "
        f"one that has, {100 * studio.judge.known():.0f} %."
    )
    return Findings(
        headlines=[
            distance_headline(f"Kernel distance to {studio.judge.whose} pictures, EfficientNet features", first, floor),
            distance_headline("The same in 10 steps, DPM-Solver++ SDE", few, first),
        ],
        metrics=[metric for row in rows for metric in metrics(row)],
        tables=[ways(f"Pictures of {studio.judge.whose} names", rows, studio.config, peer=first, caption=caption)],
    )


def samplers(studio: Studio) -> Findings:
    """Steps, evaluations and time of diffusers' samplers, guided."""
    rows = []
    for sampler, name in NAMES.items():
        asked = studio.config.evaluation.steps
        # Heun looks twice at a step.
        for steps in dict.fromkeys((steps + 1) // 2 if sampler == "heun" else steps for steps in asked):
            rows.append(studio.row(f"{name}, {steps} steps", sampler=sampler, steps=steps))
    first = studio.reference()
    few = (1, 2, 4, 8) if studio.student else ()
    ours = [studio.row(_few(steps), who="student", **_student(steps)) for steps in few]
    return Findings(
        metrics=[metric for row in rows for metric in metrics(row)],
        tables=[ways("Samplers", [first, *rows], studio.config, peer=first, caption=how_judged(studio.judge))],
        figures=[figures.steps_figure(rows, ours, studio.judge.real_floor(), studio.run)],
    )


def student(studio: Studio) -> Findings:
    """What the student keeps of its teacher, and what its teacher does with as few evaluations."""
    if studio.student is None:
        return Findings()
    first, steps = studio.reference(), studio.config.student.draws
    half = max(1, steps // 2)  # with guidance, as many evaluations
    longer = [2 * steps] if 2 * steps <= CONSISTENCY_STEPS else []
    ours = studio.row(_few(steps), who="student", **_student(steps))
    most = studio.row(BEST, **BEST_WAY)
    rows = [
        first,
        most,
        *[studio.row(_few(other), who="student", **_student(other)) for other in (1, 2) if other < steps],
        ours,
        *[studio.row(_few(other), who="student", **_student(other)) for other in longer],
        studio.row(f"DPM-Solver++, {steps} steps, no guidance", sampler="dpm++", steps=steps, guidance=1.0),
        studio.row(f"DPM-Solver++, {half} steps", sampler="dpm++", steps=half),
        studio.row(f"DPM-Solver++ SDE, {half} steps", sampler="dpm++sde", steps=half),
        studio.row(f"DDIM, {steps} steps", sampler="ddim", steps=steps),
    ]
    others = [first, most]
    if "peer" in studio.pipelines:
        others.append(studio.row(f"latent consistency distillation, {steps} steps", who="peer", **_student(steps)))
        rows.insert(-4, others[-1])
    caption = how_judged(studio.judge) + (PEER if "peer" in studio.pipelines else "")
    different, told = variety(studio, _student(steps))
    return Findings(
        headlines=[distance_headline(f"The student's kernel distance in {steps} evaluations", ours, first)],
        metrics=[*[metric for row in rows[1:] for metric in metrics(row)], *told],
        tables=[
            ways("The student", rows, studio.config, peer=first, caption=caption),
            gains("The student beside others", [(ours, other) for other in others], studio.config),
            different,
        ],
        figures=[figures.beside(studio, [first, ours], "student", "The teacher's and the student's pictures")],
    )


def clip(studio: Studio, eye: Clip) -> Findings:
    """Guidance by CLIP beside none, classifier-free guidance and the best of several at equal evaluations."""
    settings = studio.config.guide
    plain = studio.row("classifier-free guidance", steps=settings.steps)
    bare = studio.row("no guidance", steps=2 * settings.steps, guidance=1.0)

    def guide(prompts: Sequence[str]) -> ClipGuide:
        return ClipGuide(eye, prompts, settings.strength, settings.moves)

    guided = studio.row("classifier-free guidance and CLIP", guide, steps=settings.steps)
    alone = studio.row("CLIP alone", guide, steps=2 * settings.steps, guidance=1.0)
    finest = studio.row(BEST, **BEST_WAY)
    rows, shown, best = [bare, plain, finest, alone, guided], [plain, guided], guided
    pairs = [(alone, bare), (guided, plain)]
    if studio.student:
        few = _student(settings.draws)
        single = studio.row(_few(settings.draws), who="student", **few)
        moved = studio.row(f"{single.name}, guided by CLIP", guide, who="student", **few)
        # At as many evaluations: of pictures in as many steps as it has learned, and in as many as are guided.
        each = [_student(steps) for steps in dict.fromkeys((studio.config.student.draws, settings.draws))]
        looks = plain.evaluations or 1
        chosen = [_chosen(studio, eye, "student", how, max(1, looks // how["steps"])) for how in each]
        best = _chosen(studio, eye, "student", few, max(1, looks // settings.draws), guide)
        rows, shown = [*rows, single, moved, *chosen, best], [*shown, single, moved, best]
        pairs += [(moved, single), *[(best, other) for other in (bare, plain, finest, *chosen)]]
    else:
        half = {"steps": max(1, settings.steps // 2)}
        rows.append(_chosen(studio, eye, "teacher", half, 2))
        pairs += [(guided, bare), (guided, finest), (guided, rows[-1])]
    caption = (
        f"{how_judged(studio.judge)} The evaluations are those of the drawing network; CLIP's are in the time alone. "
        f"CLIP ({eye.identity}) was trained without these families, and has no part in the judgement, but the same "
        f"text model as the judge."
    )
    draws, seed = studio.config.evaluation.bootstrap, studio.config.seed
    spread = paired_difference(100 * best.right, 100 * bare.right, resamples=draws, seed=seed, unit="prompts")
    points = 100 * float((best.right - bare.right).mean())
    return Findings(
        headlines=[
            Headline(
                name=f"R-precision over no guidance: {best.name}",
                value=points,
                unit="points",
                direction="higher",
                peer=plain.name,
                peer_value=100 * float((plain.right - bare.right).mean()),
                interval=spread,
            )
        ],
        metrics=[metric for row in rows for metric in metrics(row)],
        tables=[
            ways("Guidance by CLIP", rows, studio.config, peer=plain, caption=caption),
            gains("What CLIP adds", pairs, studio.config),
        ],
        figures=[figures.beside(studio, shown, "clip", "Guided and unguided")],
    )


def memory(studio: Studio) -> Findings:
    """Whether what is drawn was seen in training."""
    judge = studio.judge
    trained = training_records()
    real = np.asarray(pictures(judge.size))
    chosen = judge.train_rows[np.linspace(0, len(judge.train_rows) - 1, len(judge.rows)).astype(int)]
    told = [cleaned(records()[row].name) for row in chosen.tolist()]
    seeds = picture_seeds(studio.config.seed, range(len(told)))
    known = draw(studio.teacher, told, seeds, studio.config.sample, studio.run.track)
    seen = studio.row("as drawn", sampler=studio.config.sample.sampler)
    copied = noisy(real[chosen], NOISE, generator(studio.config.seed, "noise"))
    of = {
        name: nearest(made, real[trained])
        for name, made in {
            f"pictures of the training with noise of {NOISE:g} levels": copied,
            f"real {judge.whose} pictures": real[judge.rows],
            f"drawn for {judge.whose} names": _made(seen),
            "drawn for names of the training": known,
        }.items()
    }
    rows: list[list[str | float | None]] = []
    told_of: list[Metric] = []
    for name, found in of.items():
        spread = bootstrap(
            100.0 * found.copies, resamples=studio.config.evaluation.bootstrap, seed=studio.config.seed, unit="pictures"
        )
        copies = 100 * float(found.copies.mean())
        rows.append([name, float(np.median(found.off)), copies, f"{spread.low:.1f} to {spread.high:.1f}"])
        told_of.append(Metric(name=f"near copies: {name}", value=copies, unit="%", direction="lower"))
    nearest_to = trained[of["drawn for names of the training"].at]
    own, kin = nearest_to == chosen, families()[nearest_to] == families()[chosen]
    caption = (
        f"Root mean square difference, over mean colours of a 16 x 16 grid, to the nearest of all {len(trained):,} "
        f"pictures of the training. A near copy is nearer than {NEAR:g} levels, as pictures are that the split keeps "
        f"together, so real {judge.whose} ones are none. Of the pictures drawn for names of the training "
        f"{100 * own.mean():.1f} % are nearest to the very picture of that name, {100 * kin.mean():.1f} % to one of "
        f"its family."
    )
    columns = [
        Column(name="pictures"),
        Column(name="median difference", unit="levels"),
        Column(name="near copies", unit="%", direction="lower"),
        Column(name="95 %"),
    ]
    return Findings(
        metrics=told_of,
        tables=[Table(title="Memorisation", columns=columns, rows=rows, caption=caption)],
        figures=[figures.neighbours(studio, _made(seen), of[f"drawn for {judge.whose} names"], trained)],
    )


def composition(studio: Studio, trained: NDArray[np.int64]) -> Findings:
    """Colours and things that never came together."""
    pairs = unseen(trained)
    reader, words = studio.judge.reader, MiniLM()
    seeds = picture_seeds(studio.config.seed, range(len(pairs)))
    made = draw(studio.teacher, [pair.prompt for pair in pairs], seeds, studio.config.sample, studio.run.track)
    plain = draw(studio.teacher, [f"a {pair.thing}" for pair in pairs], seeds, studio.config.sample, studio.run.track)
    right: list[NDArray[np.float64]] = []
    rows: list[list[str | float | None]] = []
    draws, seed = studio.config.evaluation.bootstrap, studio.config.seed
    for name, drawn in (("colour and thing", made), ("the thing alone", plain)):
        coloured = share([colour_of(picture) for picture in drawn], [pair.colour for pair in pairs])
        thing = share(things_of(looked_at(drawn), reader, words), [pair.thing for pair in pairs])
        right.append(np.where(coloured & thing, 100.0, 0.0))
        spread = bootstrap(right[-1], resamples=draws, seed=seed, unit="pairs")
        cells = [100 * float(part.mean()) for part in (coloured, thing, coloured & thing)]
        rows.append([name, *cells, f"{spread.low:.1f} to {spread.high:.1f}"])
    gain = paired_difference(right[0], right[1], resamples=draws, seed=seed, unit="pairs")
    columns = [
        Column(name="prompt"),
        *[Column(name=name, unit="%", direction="higher") for name in ("colour right", "thing right", "both")],
        Column(name="95 %"),
    ]
    caption = (
        f"{len(pairs)} pairs of a colour and a thing that no caption of the training names together, one picture each. "
        f"The colour is the one that most of the picture has, of eight of OpenMoji's palette; the thing is the most "
        f"likely of ten to the judge of words. Without the colour among the words, the second row shows chance; both "
        f"are right {gain.low:.1f} to {gain.high:.1f} points more often with it (95 %, paired)."
    )
    return Findings(
        metrics=[Metric(name="composition: both right", value=float(rows[0][3] or 0), unit="%", direction="higher")],
        tables=[Table(title="New compositions", columns=columns, rows=rows, caption=caption)],
        figures=[figures.compositions(studio, pairs, made)],
    )


def _chosen(studio: Studio, eye: Clip, who: Who, how: Mapping[str, Any], count: int, guide: Guide | None = None) -> Row:
    """The best of `count` pictures by CLIP, each drawn with `sample` but for `how`; guided too, if there is a guide."""
    settings = studio.config.sample.model_copy(update=how)
    drawer, judge = studio.pipelines[who], studio.judge
    name = f"best of {count} of the {who}, {settings.steps} steps, {'guided and chosen ' if guide else ''}by CLIP"
    studio.run.say(f"drawing: {name}")
    made, seconds = best_of(drawer, judge.prompts, judge.seeds, settings, count, eye, studio.run.track, guide)
    return judge.judged(made, name, count * evaluations(settings), seconds)


def _few(steps: int) -> str:
    return f"the student, {steps} step{'s' if steps > 1 else ''}"


def _student(steps: int) -> dict[str, Any]:
    return {"sampler": "lcm", "steps": steps, "guidance": 1.0}


def _made(row: Row) -> NDArray[np.uint8]:
    if row.made is None:
        raise ValueError(f"{row.name}: nothing was drawn")
    return row.made
