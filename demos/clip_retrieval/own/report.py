"""The report on the user's own captioned pictures.

trendlab run clip_retrieval data.corpus=~/Pictures model.name=pretrained:ViT-B-32/laion2b_s34b_b79k
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.data import used
from demos.clip_retrieval.judging.scores import Estimate
from demos.clip_retrieval.judging.tables import percent
from demos.clip_retrieval.model.encoder import EncoderSpec
from demos.clip_retrieval.own.figures import answer_sheet, recall_figure
from demos.clip_retrieval.own.gallery import OwnPictures, load
from demos.clip_retrieval.own.scores import (
    MEDIAN,
    MOST,
    OwnScores,
    accuracy_interval,
    estimates,
    score_own,
)
from shared.corpus.skipped import FAULTS, SKIPPED, write_report
from shared.result import Column, DataUse, Headline, Metric, Result, Table

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig
    from demos.clip_retrieval.judging.neighbours import Hubs
    from demos.clip_retrieval.judging.zeroshot import ZeroShot
    from shared.demo import Run

# (direction, what was asked), name of the number, estimate, queries, gallery
Number = tuple[str, str, Estimate, str, str]
GROUPS = "Zero-shot, balanced accuracy"
HEADLINES = ("R@1", "R@10", GROUPS)


def evaluate_own(config: ClipConfig, run: Run) -> Result:
    """Embed what is new, ask every caption and every picture, and say what chance would have.

    Raises UserError where `data.corpus` cannot be judged, or the model cannot be had.
    """
    spec = EncoderSpec(config.model.name, config.device)
    own = load(str(config.data.corpus), spec, run, config.data.follow_links, config.data.classes)
    run.say(f"judging {len(own.items):,} pictures with {len(own.captions):,} captions")
    scores = score_own(own, spec.load(), config.seed, config.data.classes, config.data.prompt)
    numbers = _numbers(scores, config)
    write_report(own.problems, run.folder / SKIPPED)
    return Result(
        headlines=_headlines(numbers, {way.name for way in scores.quotable}),
        metrics=_metrics(numbers, scores.hub),
        tables=[
            _numbers_table(numbers, scores, config),
            *([_classes_table(scores.groups, config.data.prompt)] if scores.groups else []),
            _corpus_table(own),
            *([_skipped_table(own)] if own.problems else []),
            *([_hubs_table(own, scores.hub, scores.hub_queries)] if scores.hub else []),
        ],
        figures=[answer_sheet(own, scores, config.seed, run), recall_figure(scores.quotable, run)],
        data=[_data_use(own)],
        weights=_weights(config, spec.load().identity),
        notes=_notes(own, config),
    )


def _numbers(scores: OwnScores, config: ClipConfig) -> list[Number]:
    found: list[Number] = []
    resamples, seed = config.evaluation.bootstrap, config.seed
    for way in scores.directions:
        asked, among = f"{len(way.asked):,} {way.unit}", f"{way.ranked.gallery:,} {way.among}"
        for name, estimate in estimates(way.ranked, way.unit, resamples, seed).items():
            found.append((way.name, name, estimate, asked, among))
    if scores.groups:
        interval = accuracy_interval(scores.groups, resamples, seed)
        estimate = Estimate(scores.groups.balanced_accuracy(), interval, scores.groups.chance())
        asked, among = f"{len(scores.groups.labels):,} pictures", f"{len(scores.groups.classes):,} classes"
        found.append(("", GROUPS, estimate, asked, among))
    return found


def _title(way: str, name: str) -> str:
    return f"{way}: {name}" if way else name


def _numbers_table(numbers: list[Number], scores: OwnScores, config: ClipConfig) -> Table:
    rows: list[list[str | float | None]] = []
    for way, name, estimate, asked, among in numbers:
        low, high = (percent(name, value) for value in (estimate.interval.low, estimate.interval.high))
        unit = "" if name == MEDIAN else " [%]"
        value, chance = percent(name, estimate.value), percent(name, estimate.chance)
        rows.append([_title(way, name) + unit, value, f"{low:.1f} to {high:.1f}", chance, asked, among])
    rights = "; ".join(
        f"{way.name.lower()} {way.ranked.positives.mean():.3g} (at most {way.ranked.positives.max():,})"
        for way in scores.directions
    )
    columns = [
        Column(name="number"),
        Column(name="this model", digits=1),
        Column(name="95 %"),
        Column(name="chance", digits=2),
        Column(name="asked"),
        Column(name="among"),
    ]
    return Table(
        title="How often the right one is found",
        columns=columns,
        rows=rows,
        caption=f"Model: {config.model.name}. Pictures: {config.data.corpus}. Right is every picture with the caption, "
        "or with the same pixels as one that has it; captions of the same words in any case are one. Right answers "
        f"of a query on average: {rights}. R@k: one of them is among the first k. Ties count against the model. "
        "Chance: a random order of the same answers. Intervals: bootstrap over what is asked.",
    )


def _headlines(numbers: list[Number], many: set[str]) -> list[Headline]:
    """many: the directions that asked enough for a number to be quoted."""
    return [
        Headline(
            name=_title(way, name),
            value=100 * estimate.value,
            unit="%",
            direction="higher",
            peer="chance",
            peer_value=100 * estimate.chance,
            interval=estimate.interval.model_copy(
                update={"low": 100 * estimate.interval.low, "high": 100 * estimate.interval.high}
            ),
            note=f"{asked} asked, {among} searched",
        )
        for way, name, estimate, asked, among in numbers
        if name in HEADLINES and way in {"", *many}
    ]


def _metrics(numbers: list[Number], hub: Hubs | None) -> list[Metric]:
    """Every number, those of the headlines too, and the skewness of hubs."""
    found = [
        Metric(
            name=_title(way, name),
            value=percent(name, estimate.value),
            unit="" if name == MEDIAN else "%",
            direction="lower" if name == MEDIAN else "higher",
            interval=estimate.interval.model_copy(
                update={
                    "low": percent(name, estimate.interval.low),
                    "high": percent(name, estimate.interval.high),
                }
            ),
            note=f"chance {percent(name, estimate.chance):.3g}; {asked} asked, {among} searched",
        )
        for way, name, estimate, asked, among in numbers
    ]
    if hub:
        note = f"of a random order {hub.chance_skewness:.2f}"
        found.append(Metric(name="skewness of hubs", value=hub.skewness, unit="", direction="lower", note=note))
    return found


def _classes_table(groups: ZeroShot, prompt: str) -> Table:
    confusion = groups.confusion()
    rows: list[list[str | float | None]] = []
    for number, name in enumerate(groups.classes):
        own, claimed = int(confusion[number].sum()), int(confusion[:, number].sum())
        found = 100 * int(confusion[number, number])
        wrong = confusion[number].copy()
        wrong[number] = 0
        taken_for = f"{groups.classes[int(wrong.argmax())]} ({wrong.max():,})" if wrong.any() else None
        rows.append([name, own, found / own, found / claimed if claimed else None, taken_for])
    return Table(
        title="Zero-shot, class by class",
        columns=[
            Column(name="class"),
            Column(name="pictures", digits=0),
            Column(name="recall", unit="%", direction="higher", digits=0),
            Column(name="precision", unit="%", direction="higher", digits=0),
            Column(name="most often taken for"),
        ],
        rows=rows,
        caption=f"Each captioned picture goes to the class with the nearest text “{prompt}”; a tie counts as wrong.",
    )


def _corpus_table(own: OwnPictures) -> Table:
    pictures_of = np.asarray(own.right.sum(0)).ravel()
    captions_of = np.asarray(own.right.sum(1)).ravel()
    shared = np.asarray(own.right @ (pictures_of > 1).astype(np.int32) > 0)
    skipped = sum(problem.reason not in FAULTS for problem in own.problems)
    alike = Counter(own.looks.tolist())
    rows: list[list[str | float | None]] = [
        ["pictures with a caption: asked and searched", len(own.items)],
        ["pictures without a caption: left out, nobody knows which texts they answer", own.uncaptioned],
        ["different captions", len(own.captions)],
        ["pictures with more than one caption", int((captions_of > 1).sum())],
        ["pictures that share a caption with another", int(shared.sum())],
        ["pictures with the same pixels as another", sum(count for count in alike.values() if count > 1)],
        ["files skipped", skipped],
    ]
    return Table(title="What was judged", columns=[Column(name=""), Column(name="count", digits=0)], rows=rows)


def _skipped_table(own: OwnPictures) -> Table:
    counts = Counter(str(problem.reason) for problem in own.problems)
    rows: list[list[str | float | None]] = []
    for reason, count in counts.most_common():
        first = next(problem for problem in own.problems if problem.reason == reason)
        rows.append([reason, count, f"{first.file}: {first.detail}"[:160]])
    return Table(
        title="What was passed over",
        columns=[Column(name="reason"), Column(name="files", digits=0), Column(name="the first")],
        rows=rows,
        caption=f"All by name: {SKIPPED} in the folder of this run. Of files with the same bytes one is searched, and "
        "the captions of all are its captions.",
    )


def _hubs_table(own: OwnPictures, hub: Hubs, queries: int) -> Table:
    of = own.right.tocsr()
    rows: list[list[str | float | None]] = []
    for row in hub.top.tolist():
        said = own.captions[int(of[row].indices[0])]
        rows.append([own.items[row].key, said[:80], int(hub.counts[row]), queries * hub.k / len(own.items)])
    return Table(
        title="Pictures that answer too often",
        columns=[
            Column(name="picture"),
            Column(name="its caption"),
            Column(name=f"among the first {hub.k}", unit="captions", digits=0),
            Column(name="expected of chance", unit="captions", digits=1),
        ],
        rows=rows,
        caption=f"{queries:,} captions asked. Skewness over all pictures {hub.skewness:.2f}, of a random order "
        f"{hub.chance_skewness:.2f}; high means hubs, pictures near to everything (Radovanović et al., 2010).",
    )


def _data_use(own: OwnPictures) -> DataUse:
    return DataUse(
        name=own.root,
        version=own.form,
        sha256=own.digest(),
        licence="your own",
        rows=len(own.items),
        note="SHA-256 over names, bytes and captions of the pictures judged",
    )


def _weights(config: ClipConfig, identity: str) -> list[DataUse]:
    name = f"both towers: {config.model.name}"
    if config.model.name == "shipped":
        licence = "Apache-2.0; trained on pictures under CC BY-SA 4.0"
        image = "image tower and projections: shipped"
        return [*used("model.safetensors"), DataUse(name=image, version=identity, sha256="", licence=licence)]
    return [DataUse(name=name, version=identity, sha256="", licence="as its publisher says")]


def _notes(own: OwnPictures, config: ClipConfig) -> list[str]:
    several = f"{own.several:,} captions have more than one line; each line counts as a caption of its own."
    drawn = (
        f"Of more than {MOST:,} captions or pictures, {MOST:,} drawn at random are asked; all pictures are searched."
    )
    unseen = (
        "Whether the model saw these pictures in its training is not known here; if it did, they are no test of it."
    )
    shipped = (
        "The shipped model knows pictograms, not photographs, and was trained on most of OpenMoji; for photographs "
        "take model.name=pretrained:ViT-B-32/laion2b_s34b_b79k."
    )
    many = max(len(own.captions), len(own.items)) > MOST
    return [
        "Only the captions of the corpus count as right: a picture that fits other words as well is a wrong answer to "
        "them, which makes the numbers rather too low.",
        *([several] if own.several else []),
        *([drawn] if many else []),
        *([] if config.data.classes else ["No zero-shot: data.classes names no fact of the pictures as their class."]),
        shipped if config.model.name == "shipped" else unseen,
    ]
