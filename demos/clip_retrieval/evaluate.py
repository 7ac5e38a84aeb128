"""What is measured: the model on pictures it never saw, beside its peers, and what it answers to words of anyone's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.data import used
from demos.clip_retrieval.judging import figures, tables
from demos.clip_retrieval.judging.combinations import composition_table
from demos.clip_retrieval.judging.judge import Judged, Model, is_ours, judge, models
from demos.clip_retrieval.judging.peers import LABELS
from demos.clip_retrieval.judging.retrieval import Ranked
from demos.clip_retrieval.judging.sheets import names_sheet, query_sheet
from demos.clip_retrieval.judging.zeroshot import ZeroShot
from shared.openmoji.records import ATTRIBUTION, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.pretrained.efficientnet import efficientnet_file
from shared.result import DataUse, Result, Table

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig
    from shared.demo import Run
    from shared.result import Figure

REFERENCE = "oracle"


def evaluate(config: ClipConfig, run: Run) -> Result:
    """Train or load, search, judge."""
    if _uses_judge(config):
        efficientnet_file()  # what cannot be had is said before an hour of training, not after
    found = models(config, run)
    judged = judge(found, config, run)
    numbers = tables.all_estimates(judged, config.evaluation.bootstrap)
    shown = _tables(judged, numbers, [model.fold for model in found], config)
    if histories := {model.fold: model.history for model in found if model.history is not None}:
        shown.append(tables.training_table(histories))
    if config.split.compositional and config.model.name == "train":
        shown.append(composition_table(config, run))
    return Result(
        headlines=tables.headlines(judged, numbers),
        metrics=tables.metrics(numbers),
        tables=shown,
        figures=_figures(found, judged, config, run),
        data=used("openmoji.whl", *(["efficientnet-lite0.pth"] if _uses_judge(config) else [])),
        weights=[*used("model.safetensors"), *_weights(config, found)],
        notes=_notes(config, judged),
    )


def _tables(judged: Sequence[Judged], numbers: tables.Found, folds: Sequence[int], config: ClipConfig) -> list[Table]:
    first = judged[0].folds[0].text_to_image
    asked = len(first.ranks) * len(folds)
    seen = (
        "families that were in no training"
        if is_ours(config.model.name)
        else "the test families, which this model may have seen"
    )
    about = (
        f"{asked:,} names of {seen}, fold {', '.join(map(str, folds))}; {first.gallery} "
        f"pictures searched for each; right is the picture, an identical one or one of the same name; ties count "
        f"against the method; bootstrap over families."
    )
    ceiling = float(np.mean([fold.subgroups.best_precision for fold in judged[0].folds]))
    return [
        tables.targets_table(numbers, judged),
        tables.methods_table(judged, numbers, tables.RETRIEVAL, "Names to pictures and back", about),
        tables.methods_table(
            judged,
            numbers,
            tables.KIND,
            "Pictures to pictures, and groups told by words",
            "P@5, R-precision and mAP@R: same subgroup among the nearest pictures; no order of these galleries has a "
            f"P@5 above {100 * ceiling:.1f} %, since small subgroups have few others. Groups: balanced accuracy of the "
            "nearest “an icon of SUBGROUP”, words that training has seen as captions of other pictures; 11 leaves out "
            "`component`, of which a fold has one picture.",
        ),
        tables.methods_table(
            judged,
            numbers,
            tables.CROWDED,
            "New pictures among known ones",
            f"The same names, but one picture of every family is searched, those of training too: "
            f"{_crowd(judged[0]).gallery:,} for each. A method that was trained on most of them finds them first.",
        ),
        *([tables.paired_table(judged, config.evaluation.bootstrap)] if len(judged) > 1 else []),
        *([tables.folds_table(judged, folds)] if len(folds) > 1 else []),
        tables.groups_table(judged[0]),
    ]


def _figures(found: Sequence[Model], judged: Sequence[Judged], config: ClipConfig, run: Run) -> list[Figure]:
    pooled = {method.key: Ranked.pooled([fold.text_to_image for fold in method.folds]) for method in judged}
    crowds = {method.key: _crowd(method) for method in judged}
    curves = [
        figures.Curve(
            method.label,
            pooled[method.key],
            [(crowds[method.key].gallery, float(crowds[method.key].hits(1).mean()))],
            method.key == REFERENCE,
        )
        for method in judged
    ]
    first, gallery = found[0], group_split(config.split.seed).gallery(found[0].fold)
    emojis = [records()[row] for row in gallery]
    return [
        query_sheet(first, run),
        names_sheet(first, judged[0].folds[0].text_to_image, run, config.split.seed),
        figures.recall_curves(curves, run),
        figures.embedding_map(
            first.of(gallery), [emoji.group for emoji in emojis], np.asarray(pictures(64)[gallery]), run
        ),
        figures.confusion(ZeroShot.pooled([fold.groups for fold in judged[0].folds]), run),
        figures.hub_histogram(judged[0].folds[0].hubs, [emoji.name for emoji in emojis], len(gallery), run),
    ]


def _crowd(method: Judged) -> Ranked:
    """Its queries among one picture of every family, those of training too."""
    return Ranked.pooled([fold.larger for fold in method.folds if fold.larger is not None])


def _uses_judge(config: ClipConfig) -> bool:
    return bool({"efficientnet", "both"} & set(config.evaluation.peers))


def _weights(config: ClipConfig, found: Sequence[Model]) -> list[DataUse]:
    name = "trained in this run" if config.model.name == "train" else config.model.name
    return [
        DataUse(
            name=f"image tower and projections, fold {model.fold}: {name}",
            version=model.encoder.identity,
            sha256="",
            licence="Apache-2.0; trained on pictures under CC BY-SA 4.0",
        )
        for model in found
    ]


def _notes(config: ClipConfig, judged: Sequence[Judged]) -> list[str]:
    chosen = [f"{LABELS[method.key]} ({method.setting})" for method in judged[1:] if method.key != REFERENCE]  # type: ignore[index]
    return [
        f"Pictures: {ATTRIBUTION}. Rendered on white; names, tags and groups are those of OpenMoji 17.0.0.",
        "Families (skin tones, genders and directions of one role, identical or nearly identical pictures, equal "
        "names) are never torn apart by a split.",
        *(["Settings that the validation families chose for the peers: " + "; ".join(chosen) + "."] if chosen else []),
        *(
            ["The reference line is told the published tags of the picture; it is no bound."]
            if any(method.key == REFERENCE for method in judged)
            else []
        ),
    ]
