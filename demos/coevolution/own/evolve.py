"""The way down on the user's own texts: a large model learns from the labels, small ones from its answers, and all go
out as files that `trendlab students` asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.coevolution.cascade.choose import Judged, threshold
from demos.coevolution.cascade.confidence import calibration_error, confidence, temperature
from demos.coevolution.cascade.measure import TARGET, curves_of
from demos.coevolution.cascade.report import curves_figure
from demos.coevolution.data import SLUG
from demos.coevolution.deploy.gate import Judging, send
from demos.coevolution.models.device import from_vectors, static_vectors
from demos.coevolution.models.encoder import CLASSES, fresh, inherited, without_dropout
from demos.coevolution.models.words import Words, checkpoint_words, words
from demos.coevolution.own.read import Own, read
from demos.coevolution.training.fit import Lesson, fit, judged, soft, states_of
from demos.coevolution.training.jobs import course
from demos.coevolution.training.stretches import stretches
from demos.coevolution.versions.store import STUDENTS, Store, hashed
from demos.coevolution.versions.version import sha256
from shared import device as devices
from shared.evaluation.compare import headline
from shared.evaluation.intervals import bootstrap
from shared.result import Column, DataUse, Metric, Result, Table
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.coevolution.config import CoevolutionConfig
    from shared.demo import Run
    from shared.result import Figure

PLAIN = "TF-IDF, logistic regression"
TESTS = CALIBRATES = 0.2  # share of the labelled texts


@dataclass(frozen=True)
class Parts:
    """Places of the user's texts: with a label, those learned from, that calibrate and that test; those without."""

    known: NDArray[np.int64]
    calibration: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: NDArray[np.int64]


def own(config: CoevolutionConfig, run: Run) -> Result:
    """Read, train, test, deploy. Raises UserError for what cannot be read."""
    assert config.own.csv is not None
    given = read(config.own.csv.expanduser(), config.own.text, config.own.label)
    parts = divided(given, config.seed)
    run.say(f"{len(given.texts):,} different texts, {len(parts.known):,} with a label to learn from")
    vocabulary = words() if config.own.checkpoint is None else checkpoint_words(config.own.checkpoint.expanduser())
    rows = vocabulary(given.texts)
    models = _trained(config, run, given, parts, rows, vocabulary)
    logits = {name: judged(model, rows) for name, model in models.items()}
    labels = np.array([-1 if label is None else label for label in given.labels])
    right = {name: _right(each, labels, parts.test) for name, each in logits.items()}
    right[PLAIN] = _plain(given, parts, labels)
    _sent(run, given, parts, models, logits, vocabulary)
    both = _both(right, logits, labels, parts)
    figure = curves_figure([curves_of(both)], 100 * float(right["cloud"].mean()), run, "on your texts")
    return _told(config, given, parts, right, _table(right, logits, labels, parts), figure)


def _sent(
    run: Run, given: Own, parts: Parts, models: dict[str, nn.Module], logits: dict[str, Tensor], vocabulary: Words
) -> None:
    """Put all models into files and deploy them, the small ones as taught by the large one."""
    labels = np.array([-1 if label is None else label for label in given.labels])
    store = Store(run.folder / STUDENTS)
    cloud: str | None = None
    for kind, model in models.items():
        run.say(f"export the {kind}")
        judges = [given.texts[place] for place in parts.calibration]
        # In 32 bits, as a file computes, where trainings may have done so in 16.
        by = Judging(judges, labels[parts.calibration], judged(model, vocabulary(judges), exact=True).numpy())
        places, said = parts.known, labels[parts.known].astype(np.float32)
        if kind != "cloud":
            places = np.concatenate([parts.known, parts.unlabelled])
            said = _at(logits["cloud"], places)
        sent = send(
            store,
            kind,
            model,
            by,
            heat=temperature(by.logits, by.labels),
            data=hashed([given.texts[place] for place in places], said),
            scores={"own": float(_right(logits[kind], labels, parts.test).mean())},
            teacher=cloud,
            note="from own texts",
            vocabulary=vocabulary,
        )
        cloud = cloud or sent.version.name


def _told(
    config: CoevolutionConfig,
    given: Own,
    parts: Parts,
    right: dict[str, NDArray[np.float64]],
    table: Table,
    figure: Figure,
) -> Result:
    return Result(
        headlines=[
            headline(
                "Accuracy of the device on your texts",
                {"device": 100 * right["device"], PLAIN: 100 * right[PLAIN]},
                ours="device",
                peer=PLAIN,
                unit="%",
                direction="higher",
                resampled="texts",
            )
        ],
        metrics=[
            Metric(name=f"{name}, own texts", value=100 * float(each.mean()), unit="%", direction="higher")
            for name, each in right.items()
        ],
        tables=[table],
        figures=[figure],
        data=[_use(config, given)],
        notes=[
            f"{len(parts.known)} labelled texts are learned from, {len(parts.calibration)} calibrate, "
            f"{len(parts.test)} test, by lot; {len(parts.unlabelled)} have no label, and teach the small models. "
            "Near-duplicates are left out. Texts of one source may be in several parts: then the test is too kind.",
            "The models lie in the run's folder students: `trendlab students answer WORDS` asks them.",
        ],
    )


def divided(given: Own, seed: int) -> Parts:
    """By lot."""
    known = [place for place, label in enumerate(given.labels) if label is not None]
    labelled = generator(seed, SLUG, "own").permutation(known)
    tests, calibrates = (round(share * len(labelled)) for share in (TESTS, CALIBRATES))
    return Parts(
        labelled[tests + calibrates :],
        labelled[tests : tests + calibrates],
        labelled[:tests],
        np.array([place for place, label in enumerate(given.labels) if label is None], dtype=np.int64),
    )


def _trained(
    config: CoevolutionConfig, run: Run, given: Own, parts: Parts, rows: list[list[int]], vocabulary: Words
) -> dict[str, nn.Module]:
    device, seed, models = devices.resolve(config.device), config.seed, config.models
    labels = torch.tensor([given.labels[place] for place in parts.known])
    run.say("train the large model")
    known = [rows[place] for place in parts.known]
    hard = Lesson(known, functional.one_hot(labels, CLASSES).float())
    checkpoint = config.own.checkpoint.expanduser() if config.own.checkpoint else None
    start = fresh(None, seed, checkpoint)
    start.must_read(vocabulary)
    cloud = fit(start, hard, course(models.cloud), seed, device)
    run.say("let it answer")
    everything = [rows[place] for place in (*parts.known, *parts.unlabelled)]
    states = states_of(cloud, everything)
    with torch.inference_mode():
        said = cloud.head(states)
    found: dict[str, nn.Module] = {"cloud": cloud}
    for kind, section in (("edge", models.edge), ("device", models.device)):
        run.say(f"train the {kind}")
        how = course(section)
        if kind == "edge":
            lesson = Lesson(everything, soft(said, section.temperature), states, section.temperature)
            found[kind] = fit(without_dropout(inherited(cloud)), lesson, how, seed, device)
            continue
        cut = stretches(everything, models.stretches, generator(seed, SLUG, "stretches"))
        heard = torch.cat([said, judged(cloud, cut)]) if cut else said
        blank = from_vectors(static_vectors(cloud, vocabulary=vocabulary), seed, vocabulary)
        lesson = Lesson([*everything, *cut], soft(heard, section.temperature), temperature=section.temperature)
        found[kind] = fit(blank, lesson, how, seed, device)
    return found


def _at(logits: Tensor, places: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.asarray(logits[torch.as_tensor(places)].numpy())


def _right(logits: Tensor, labels: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    return (_at(logits, places).argmax(1) == labels[places]).astype(float)


def _plain(given: Own, parts: Parts, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    from demos.coevolution.down.peers import fitted_plain

    known, test = ([given.texts[place] for place in part] for part in (parts.known, parts.test))
    return (fitted_plain(known, labels[parts.known].tolist()).predict(test) == labels[parts.test]).astype(float)


def _both(
    right: dict[str, NDArray[np.float64]], logits: dict[str, Tensor], labels: NDArray[np.int64], parts: Parts
) -> Judged:
    """The device and the large model on the test, with the temperature that suits what calibrates."""
    heat = temperature(_at(logits["device"], parts.calibration), labels[parts.calibration])
    sure = confidence(_at(logits["device"], parts.test), heat)
    return Judged(right["device"].astype(bool), right["cloud"].astype(bool), sure)


def _table(
    right: dict[str, NDArray[np.float64]], logits: dict[str, Tensor], labels: NDArray[np.int64], parts: Parts
) -> Table:
    rows: list[list[str | float | None]] = []
    for name, each in right.items():
        interval, error = bootstrap(100 * each, unit="texts"), None
        if name in logits:
            fitted = _at(logits[name], parts.calibration)
            heat = temperature(fitted, labels[parts.calibration])
            error = calibration_error(confidence(_at(logits[name], parts.test), heat), each.astype(bool))
        rows.append([name, 100 * float(each.mean()), f"{interval.low:.1f} to {interval.high:.1f}", error, None])
    heat = temperature(_at(logits["device"], parts.calibration), labels[parts.calibration])
    border = threshold(confidence(_at(logits["device"], parts.calibration), heat), TARGET)
    both = _both(right, logits, labels, parts)
    sent = both.sure < border
    share = 100 * float(sent.mean())
    rows.append(["device, and the cloud where it is not sure", 100 * both.accuracy(sent), None, None, share])
    return Table(
        title="Accuracy on your texts",
        columns=[
            Column(name="who answers"),
            Column(name="accuracy", unit="%", direction="higher"),
            Column(name="95 %"),
            Column(name="calibration error", digits=3, direction="lower"),
            Column(name="goes up", unit="%"),
        ],
        rows=rows,
        caption=f"{len(parts.test)} held-out texts; 95 %, bootstrap over texts. What goes up: {100 * TARGET:g} % of "
        "those that calibrate.",
    )


def _use(config: CoevolutionConfig, given: Own) -> DataUse:
    assert config.own.csv is not None
    file = config.own.csv.expanduser()
    return DataUse(name=file.name, version="yours", sha256=sha256(file), licence="yours", rows=len(given.texts))
