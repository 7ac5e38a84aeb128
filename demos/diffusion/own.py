"""Fine-tune on the user's captioned pictures: a LoRA adapter of the teacher, judged on pictures that it did not see.

trendlab run diffusion --profile smoke own.folder=FOLDER
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.data import used
from demos.diffusion.judging.figures import own_figure
from demos.diffusion.model.build import folder_of, fused, opened
from demos.diffusion.model.origin import weights_use
from demos.diffusion.model.pipeline import CONTEXT
from demos.diffusion.sampling.draw import draw
from demos.diffusion.sampling.pictograms import ENDS, identity
from demos.diffusion.training.adapter import add_adapter
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import checkpoint_file
from demos.diffusion.training.fit import fit
from demos.diffusion.training.objective import Objective
from shared import device as devices
from shared.corpus.folder import read_folder
from shared.corpus.items import Problem
from shared.corpus.pictures import Reason, Unreadable, fitted, open_picture
from shared.corpus.skipped import SKIPPED, summary, write_report
from shared.errors import UserError
from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.openmoji.families import NEAR, coarse, rms
from shared.pretrained.quiet import quiet_and_offline
from shared.pretrained.words import cleaned
from shared.result import Column, DataUse, Headline, Metric, Result, Table
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline
    from shared.demo import Run

LEAST = 8  # captioned pictures
FEWEST = 2  # held out, for an interval
SHOWN = 6  # captions in the figure, of each part
ROUNDS = 16  # times at which a picture's loss is measured
MEASURED = 256  # pictures of each part, at most
ALIKE_SIDE = 64  # pixels, at which pictures are compared
BLOCK = 1024  # pictures that are compared with all at a time


@dataclass(frozen=True)
class Captioned:
    """A picture of the user. name: its caption; tags: none."""

    name: str
    pixels: NDArray[np.uint8]
    tags: tuple[str, ...] = ()


def fine_tune(config: DiffusionConfig, run: Run) -> Result:
    """Train the adapter and leave the pipeline with it in the run's folder. Raises UserError for what is no use."""
    if config.model.name == "train":
        raise UserError("model.name=train: own.folder starts from shipped or local-dir:FOLDER")
    teacher = opened(folder_of(config.model.name)).to(devices.resolve(config.device))
    side = int(teacher.unet.config.sample_size * teacher.config.patch)
    pictures, problems = captioned(config, side, run)
    if unread := not_read([picture.name for picture in pictures], teacher.tokenizer):
        run.say(f"of the captions, {unread}")
    rows = divided(pictures, config)
    prompts, seeds = _shown(pictures, rows)
    before = draw(teacher, prompts, seeds, config.sample, run.track)
    losses = {("before", part): _losses(teacher, [pictures[at] for at in of], config) for part, of in rows.items()}
    run.say(f"fine-tuning on {len(rows['trained on']):,} pictures, {len(rows['held out']):,} held out")
    state = _train(teacher, [pictures[at] for at in rows["trained on"]], config, run)
    losses |= {("after", part): _losses(teacher, [pictures[at] for at in of], config) for part, of in rows.items()}
    with quiet_and_offline():
        teacher.save_pretrained(run.folder / "pipeline", safe_serialization=True)
    after = draw(teacher, prompts, seeds, config.sample, run.track)
    real = np.stack([pictures[at].pixels for of in rows.values() for at in of[:SHOWN]])
    drawn = {"before": before, "after": after, "the picture": real}
    figures = [own_figure(drawn, prompts, min(SHOWN, len(rows["held out"])), run)]
    start = weights_use(folder_of(config.model.name), config.model.name)
    result = _told(losses, len(pictures), problems, figures, _digest(pictures), config.seed, start, unread)
    run.afterwards(lambda: state.unlink(missing_ok=True))
    return result


def divided(pictures: list[Captioned], config: DiffusionConfig) -> dict[str, NDArray[np.int64]]:
    """Who is held out, at most so many as asked for, and who is trained on, by place; pictures that are nearly the same
    stay together.

    Raises UserError when so many are that no two can be held out.
    """
    from scipy.sparse import csr_array, vstack
    from scipy.sparse.csgraph import connected_components

    cells = coarse(np.stack([fitted(picture.pixels, ALIKE_SIDE) for picture in pictures]))
    # In blocks: of many pictures, a distance for each pair would not fit into memory.
    near = [csr_array(rms(cells[at : at + BLOCK], cells) < NEAR) for at in range(0, len(cells), BLOCK)]
    count, group = connected_components(vstack(near), directed=False)
    most, held = max(FEWEST, round(config.own.held_out * len(pictures))), list[int]()
    for number in generator(config.seed, "own").permutation(count):
        alike = np.flatnonzero(group == number).tolist()
        held += alike if len(held) + len(alike) <= most else []
    if len(held) < FEWEST:
        raise UserError(
            f"own.folder={config.own.folder}: its {len(pictures)} pictures are so nearly the same that {len(held)} can "
            f"be held out, and {FEWEST} are needed; own.held_out={config.own.held_out:g} may be more, up to 0.5"
        )
    trained = np.setdiff1d(np.arange(len(pictures)), held)
    # In no order of folders, so that the first of them stand for all.
    return {"held out": np.array(held), "trained on": generator(config.seed, "own order").permutation(trained)}


def captioned(config: DiffusionConfig, side: int, run: Run) -> tuple[list[Captioned], list[Problem]]:
    """The captioned pictures of the user's folder on white squares of `side` pixels, and what was passed over."""
    root = Path(config.own.folder or "").expanduser().absolute()
    if not root.is_dir():
        raise UserError(f"own.folder={config.own.folder}: there is no such folder")
    problems: list[Problem] = []
    found: list[Captioned] = []
    for item in run.track("reading your pictures", list(read_folder(root, problems, config.own.follow_links))):
        caption = cleaned(item.caption or "")
        if not caption:
            problems.append(Problem(item.key, Reason.BARE, "no words in a .txt, .json or metadata.jsonl"))
            continue
        try:
            found.append(Captioned(caption, open_picture(Path(item.source.path), side).pixels))
        except Unreadable as error:
            problems.append(Problem(item.key, error.reason, error.detail))
    if problems:
        write_report(problems, run.folder / SKIPPED)
        run.say(f"{summary(len(found), problems)}; the first is {problems[0].file} ({problems[0].detail})")
    if len(found) < LEAST:
        raise UserError(
            f"own.folder={config.own.folder}: {len(found)} of its pictures can be read and have a caption (.txt or "
            f".json beside a picture, or metadata.jsonl); {LEAST} are needed"
        )
    return found, problems


def not_read(captions: list[str], tokenizer: Any) -> str:
    """What of captions the model does not read, in words; "" where it reads all."""
    tokens = tokenizer(captions, add_special_tokens=False, verbose=False)["input_ids"]
    most = CONTEXT - ENDS
    long, strange = sum(len(of) > most for of in tokens), sum(tokenizer.unk_token_id in of for of in tokens)
    told = {f"{long:,} are read up to their token {most} alone": long}
    told[f"{strange:,} have words that the model does not know"] = strange
    return " and ".join(words for words, count in told.items() if count)


def _train(teacher: PictogramPipeline, pictures: list[Captioned], config: DiffusionConfig, run: Run) -> Path:
    settings, seed = config.own, int(generator(config.seed, "own training").integers(2**31))
    unet: Any = teacher.unet
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        add_adapter(unet, settings.rank)
    objective = _objective(teacher, pictures, config, seed, config.train.drop)
    whose = identity(folder_of(config.model.name), student=False)
    file = checkpoint_file("own", settings, _digest(pictures), whose, config.train, seed)
    device = devices.resolve(config.device)
    _, average = fit(unet, objective, settings, device, label="fine-tuning", file=file, track=run.track)
    average.copy_to([weight for weight in unet.parameters() if weight.requires_grad])
    fused(unet)
    return file


def _objective(
    teacher: PictogramPipeline, pictures: list[Captioned], config: DiffusionConfig, seed: int, drop: float
) -> Objective:
    captions = Captions(teacher, pictures, generator(seed, "tags"))
    settings = config.train.model_copy(update={"batch": config.own.batch, "tags": 0.0, "drop": drop})
    odds = np.full(len(pictures), 1 / len(pictures))
    shown = np.stack([picture.pixels for picture in pictures])
    return Objective(shown, captions, odds, settings, patch=teacher.config.patch, seed=seed)


@torch.no_grad()
def _losses(teacher: PictogramPipeline, pictures: list[Captioned], config: DiffusionConfig) -> NDArray[np.float64]:
    """(n,) weighted error of the picture for each of at most MEASURED pictures, mean over ROUNDS times; the noise is
    the same before and after."""
    device = devices.resolve(config.device)
    accelerator = devices.accelerator(device, devices.precision(device))
    some = pictures[:MEASURED]
    objective, rows = _objective(teacher, some, config, config.seed, drop=0.0), np.arange(len(some))
    found = []
    for number in range(ROUNDS):
        random = generator(config.seed, "own losses", number)
        texts, times = objective.names(rows), random.integers(len(objective.weight), size=len(rows))
        parts = [
            objective.errors(teacher.unet, part, texts[part], times[part], number, accelerator).cpu()
            for part in np.array_split(rows, -(-len(rows) // config.own.batch))
        ]
        found.append(torch.cat(parts).double().numpy())
    return np.asarray(np.mean(found, 0))


def _shown(pictures: list[Captioned], rows: dict[str, NDArray[np.int64]]) -> tuple[list[str], list[int]]:
    some = [at for of in rows.values() for at in of[:SHOWN]]
    return [pictures[at].name for at in some], list(range(len(some)))


def _told(
    losses: dict[tuple[str, str], NDArray[np.float64]],
    count: int,
    problems: list[Problem],
    figures: list[Any],
    digest: str,
    seed: int,
    whose: DataUse,
    unread: str,
) -> Result:
    cells: list[list[str | float | None]] = []
    for part in ("held out", "trained on"):
        before, after = losses["before", part], losses["after", part]
        spread = paired_ratio(after, before, seed=seed, unit="pictures")
        ratio, low, high = (100 * (value - 1) for value in (after.sum() / before.sum(), spread.low, spread.high))
        cells.append([part, len(after), before.mean(), after.mean(), ratio, f"{low:.1f} to {high:.1f}"])
    held = losses["after", "held out"]
    columns = [
        Column(name="your pictures"),
        Column(name="measured", digits=0),
        *[Column(name=name, direction="lower", digits=4) for name in ("loss before", "loss after")],
        Column(name="change", unit="%", direction="lower"),
        Column(name="95 %"),
    ]
    return Result(
        headlines=[
            Headline(
                name="Loss on your held-out pictures",
                value=float(held.mean()),
                unit="",
                direction="lower",
                peer="before fine-tuning",
                peer_value=float(losses["before", "held out"].mean()),
                interval=bootstrap(held, seed=seed, unit="pictures"),
            )
        ],
        metrics=[Metric(name="loss on held-out pictures", value=float(held.mean()), unit="", direction="lower")],
        tables=[
            Table(
                title="Before and after",
                columns=columns,
                rows=cells,
                caption=f"{count:,} captioned pictures; {len(problems):,} files were passed over"
                f"{f', by name in {SKIPPED} in the folder of this run' if problems else ''}. Weighted mean square "
                "error of the picture, with the same noise before and after. Where it falls on what was trained on "
                "and rises on what was held out, fewer steps or more pictures are needed."
                f"{f' Of the captions, {unread}.' if unread else ''}",
            )
        ],
        figures=figures,
        data=[DataUse(name="your pictures", version="", sha256=digest, licence="yours", rows=count)],
        weights=[*used("model.safetensors"), whose],
    )


def _digest(pictures: list[Captioned]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.name.encode() + picture.pixels.tobytes())
    return digest.hexdigest()
