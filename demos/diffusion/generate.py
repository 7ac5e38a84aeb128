"""What `trendlab generate` does and prints."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import numpy as np
import typer

from demos.diffusion.config import Sampler, SampleSection
from demos.diffusion.sampling.request import Painter, Request, prompt_of
from shared import device as devices
from shared import provenance
from shared.commands.tables import say
from shared.errors import UserError
from shared.files import written_whole
from shared.names import did_you_mean
from shared.progress import Progress
from shared.run import Terminated, new_run_id, output_root, run_folder
from shared.sheet import Answer, SheetRow, contact_sheet

if TYPE_CHECKING:
    from PIL import Image

SLUG = "diffusion"
LARGEST_SEED = 2**63 - 1
DTYPES = ("auto", "float32", "bfloat16", "float16")
BATCHES = {"pretrained": 1}  # pictures together, by kind of model; others 16
PRETRAINED_STEPS = 30  # where none are asked for
ON_SHEET = 96  # pictures of a contact sheet


@dataclass(frozen=True)
class Options:
    """As `trendlab generate --help` tells them."""

    words: str
    count: int
    steps: int | None
    seed: int
    guidance: float | None
    student: bool | None
    sampler: str | None
    clip: float
    negative: str
    model: str
    device: str
    dtype: str
    image: Path | None
    mask: Path | None
    strength: float | None
    size: int | None
    slicing: bool
    tiling: bool
    batch: int | None
    out: Path | None
    quiet: bool


def generate(options: Options) -> None:
    """Draw, and leave a folder with a PNG for each seed and a contact sheet; prints the sheet's path.

    What is drawn when it is stopped is kept. Raises UserError; typer.Exit with 130 or 143 after a stop.
    """
    if absent := provenance.missing(SLUG):
        raise UserError(f"generate needs {', '.join(absent)}, not installed here: {provenance.install_command(SLUG)}")
    request, progress = _request(options), Progress(options.quiet)
    painter = _painter(options, request.steps)
    for note in painter.check(request):
        progress.say(note)
    began, parent, name = time.perf_counter(), output_root(options.out) / "generate", new_run_id(datetime.now(UTC))
    with run_folder(parent, name) as folder:
        done, shown = 0, list["Image.Image"]()
        stop: BaseException | None = None
        try:
            with progress.steps("drawing", painter.rounds(request)) as advance:
                for seed, picture in zip(request.seeds, painter.paint(request, advance), strict=True):
                    _save(picture, folder / f"seed-{seed}.png", _facts(request, painter, seed))
                    done, shown = done + 1, [*shown, picture][:ON_SHEET]
        except (KeyboardInterrupt, Terminated, UserError) as error:
            stop = error
        if not shown:
            _end(stop, "nothing was drawn")
        seconds = time.perf_counter() - began
        _sheet(request, shown, painter, done).save(folder / "sheet.png", format="PNG")
    side = "x".join(map(str, shown[0].size))
    told = f"{request.steps} steps, {painter.evaluations(request)} evaluations of the network each"
    progress.say(f"{done} of {side} pixels by {painter.name}: {told}, {seconds:.1f} s")
    say(str(parent / name / "sheet.png"))
    _end(stop, f"{done} of {options.count} pictures are kept")


def _end(stop: BaseException | None, left: str) -> None:
    """After a stop: one line, and what a shell expects."""
    if isinstance(stop, UserError):
        raise UserError(f"{stop}; {left}") from None
    if stop is not None:
        print(f"{'terminated' if isinstance(stop, Terminated) else 'interrupted'}: {left}", file=sys.stderr)
        raise typer.Exit(143 if isinstance(stop, Terminated) else 130)


def _request(options: Options) -> Request:
    if options.sampler is not None and options.sampler not in get_args(Sampler):
        raise UserError(f"unknown sampler {options.sampler!r}{did_you_mean(options.sampler, get_args(Sampler))}")
    if options.mask is not None and options.image is None:
        raise UserError("--mask says where --image is painted anew; give both")
    if options.strength is not None and options.image is None:
        raise UserError("--strength says how much of --image is given up; give both")
    if options.seed + options.count - 1 > LARGEST_SEED:
        raise UserError(f"--seed {options.seed}: seeds go up to {LARGEST_SEED}")
    for file in (options.image, options.mask):
        _looked_at(file)
    usual = 1.0 if options.mask is not None else 0.8
    kind = options.model.partition(":")[0]
    return Request(
        prompt=prompt_of(options.words),
        seeds=tuple(range(options.seed, options.seed + options.count)),
        steps=options.steps or _usual_steps(options),
        guidance=options.guidance,
        sampler=cast(Sampler | None, options.sampler),
        negative=options.negative,
        side=options.size,
        image=options.image,
        mask=options.mask,
        strength=usual if options.strength is None else options.strength,
        batch=options.batch or BATCHES.get(kind, 16),
        clip=options.clip,
    )


def _looked_at(file: Path | None) -> None:
    """Before a model of gigabytes is loaded."""
    from shared.corpus.pictures import Unreadable, check_header

    try:
        if file is not None:
            check_header(file.expanduser())
    except Unreadable as error:
        raise UserError(f"{file}: {error}") from None


def _usual_steps(options: Options) -> int:
    """Where none are asked for: those that the student has learned, else as many as what draws needs."""
    from demos.diffusion.model.build import STUDENT, folder_of
    from demos.diffusion.model.origin import draws_of

    kind, _, place = options.model.partition(":")
    if kind == "pretrained":
        return PRETRAINED_STEPS
    if options.student is not False and (options.model == "shipped" or (kind == "local-dir" and place)):
        folder = folder_of(options.model)
        if (folder / STUDENT).is_dir():
            return draws_of(folder)
    return SampleSection().steps


def _painter(options: Options, steps: int) -> Painter:
    device = devices.resolve(options.device)
    kind, _, place = options.model.partition(":")
    if options.dtype not in DTYPES:
        raise UserError(f"unknown dtype {options.dtype!r}{did_you_mean(options.dtype, DTYPES)}")
    if kind == "pretrained" and place:
        import torch

        from demos.diffusion.sampling.checkpoints import Checkpoint

        if options.student:
            raise UserError("--student: a pretrained model has no student here")
        task = "mask" if options.mask is not None else "image" if options.image is not None else "words"
        usual = "float32" if device == "cpu" else "float16"
        dtype: torch.dtype = getattr(torch, usual if options.dtype == "auto" else options.dtype)
        return Checkpoint(place, task, device, dtype, slicing=options.slicing, tiling=options.tiling)
    if options.model != "shipped" and (kind != "local-dir" or not place):
        raise UserError(
            f"--model {options.model}: possible are shipped, local-dir:FOLDER and pretrained:NAME-OR-FOLDER"
        )
    if options.slicing or options.tiling or options.dtype not in ("auto", "float32"):
        raise UserError("--slicing, --tiling and --dtype are for pretrained models; this one is small")
    from demos.diffusion.model.build import folder_of
    from demos.diffusion.sampling.pictograms import Pictograms

    return Pictograms(folder_of(options.model), device, options.student, steps)


def _facts(request: Request, painter: Painter, seed: int) -> dict[str, str]:
    """How a picture was made, for its PNG."""
    facts: dict[str, object] = {
        "prompt": request.prompt,
        "negative": request.negative,
        "seed": seed,
        "steps": request.steps,
        "evaluations": painter.evaluations(request),
        **painter.settings(request),
        "model": painter.name,
        "model hash": painter.identity,
        "image": None if request.image is None else request.image.name,
        "mask": None if request.mask is None else request.mask.name,
        "strength": None if request.image is None else request.strength,
        "Software": f"trendlab {provenance.version(provenance.DISTRIBUTION) or ''}".strip(),
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in facts.items()
        if value not in (None, "")
    }


def _save(picture: Image.Image, file: Path, facts: dict[str, str]) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, value in facts.items():
        info.add_itxt(name, value)
    with written_whole(file) as temporary:
        picture.save(temporary, format="PNG", pnginfo=info)


def _sheet(request: Request, pictures: list[Image.Image], painter: Painter, count: int) -> Image.Image:
    some = zip(request.seeds, pictures, strict=False)
    answers = [Answer(np.asarray(picture.convert("RGB")), f"seed {seed}") for seed, picture in some]
    left = f"; {count - len(pictures):,} more are in the folder" if len(pictures) < count else ""
    guided = ", guided by CLIP" if request.clip else ""
    note = f"{painter.name}, {request.steps} steps{guided}{left}"
    return contact_sheet([SheetRow(request.prompt, answers, note)], footer="Drawn by a model, not by a person.")
