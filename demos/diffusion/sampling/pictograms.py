"""The painter of pictograms: the teacher with guidance, or the student in a few steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from demos.diffusion.config import CONSISTENCY_STEPS, TIMES, SampleSection
from demos.diffusion.model.build import STUDENT, opened, with_student
from demos.diffusion.model.clip import Clip
from demos.diffusion.model.origin import draws_of, weights_digest
from demos.diffusion.model.pipeline import CONTEXT
from demos.diffusion.sampling.draw import drawing, evaluations
from demos.diffusion.sampling.guide import ClipGuide
from demos.diffusion.sampling.request import Request, doubts
from shared.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

ENDS = 2  # tokens that mark the ends of a prompt
FEW = 2  # times the steps that a student has learned, up to which it draws where nothing else is asked


class Pictograms:
    """As `request.Painter`. folder: of a pipeline; device: as torch names it; student: whether its student is to draw,
    None = where a request has few steps. Raises UserError when a folder is no pipeline, or has no such student."""

    def __init__(self, folder: Path, device: str, student: bool | None, steps: int) -> None:
        teacher, beside = opened(folder), (folder / STUDENT).is_dir()
        if student and not beside:
            raise UserError(f"--student: {folder} has no student in it; --teacher draws")
        chosen = beside and steps <= FEW * draws_of(folder) if student is None else student
        self._pipeline = (with_student(teacher, folder) if chosen else teacher).to(device)
        self._device = device
        self._few, self._draws = chosen, draws_of(folder) if chosen else None
        self.name = "the student" if chosen else "the teacher"
        self.identity = identity(folder, chosen)
        self.side = int(teacher.unet.config.sample_size * teacher.config.patch)

    def check(self, request: Request) -> list[str]:
        """As `Painter.check`."""
        if request.image is not None or request.mask is not None:
            raise UserError("the model of pictograms starts from words alone; --image and --mask need a pretrained one")
        if request.negative:
            raise UserError("the model of pictograms takes no --negative words; a pretrained one does")
        if request.side not in (None, self.side):
            raise UserError(f"--size {request.side}: this model draws pictures of {self.side} pixels")
        if self._few and (request.guidance or 1) > 1:
            raise UserError(
                f"--guidance {request.guidance:g}: the student has its guidance in its weights; use --teacher"
            )
        if (request.sampler or ("lcm" if self._few else "")) == "lcm" and request.steps > CONSISTENCY_STEPS:
            raise UserError(
                f"--steps {request.steps}: lcm, with which a student draws, takes {CONSISTENCY_STEPS} at most"
            )
        tokenizer = self._pipeline.tokenizer
        tokens = tokenizer(request.prompt, add_special_tokens=False, verbose=False)["input_ids"]
        found = doubts(request.prompt, tokens, tokenizer.unk_token_id, CONTEXT - ENDS, "English names")
        if self._few and request.sampler not in (None, "lcm"):
            found.append(f"the student has learned to draw with lcm, and is worse with {request.sampler}")
        sampler = self._settings(request).sampler
        if sampler == "ddim" and TIMES % request.steps:
            # diffusers' DDIM then ends at time 0 and not before it.
            found.append(f"ddim leaves a little noise in {request.steps} steps, which do not divide {TIMES:,}")
        if self._draws is not None and request.steps < self._draws:
            found.append(f"the student has learned to draw in {self._draws} steps, and is worse in {request.steps}")
        return found

    def rounds(self, request: Request) -> int:
        """As `Painter.rounds`."""
        settings = self._settings(request)
        return -(-len(request.seeds) // request.batch) * evaluations(settings.model_copy(update={"guidance": 1.0}))

    def evaluations(self, request: Request) -> int:
        """As `Painter.evaluations`."""
        return evaluations(self._settings(request))

    def settings(self, request: Request) -> dict[str, object]:
        """As `Painter.settings`."""
        chosen = self._settings(request).model_dump(include={"guidance", "sampler"})
        return chosen | ({"clip": request.clip} if request.clip else {})

    def paint(self, request: Request, advance: Callable[[], None]) -> Iterator[Image.Image]:
        """As `Painter.paint`."""
        settings, eye = self._settings(request), Clip(device=self._device) if request.clip else None
        with drawing(self._pipeline, settings.sampler, mixed=False):
            for at in range(0, len(request.seeds), request.batch):
                seeds = request.seeds[at : at + request.batch]
                prompts = [request.prompt] * len(seeds)
                answer: Any = self._pipeline(
                    prompts,
                    settings.steps,
                    settings.guidance,
                    [torch.Generator().manual_seed(seed) for seed in seeds],
                    correct=ClipGuide(eye, prompts, request.clip) if eye else None,
                    callback_on_step_end=lambda *_: advance(),
                )
                yield from answer.images

    def _settings(self, request: Request) -> SampleSection:
        usual = SampleSection()
        sampler = request.sampler or ("lcm" if self._few else usual.sampler)
        guidance = 1.0 if self._few else usual.guidance if request.guidance is None else request.guidance
        return SampleSection(sampler=sampler, steps=request.steps, guidance=guidance)


def identity(folder: Path, student: bool) -> str:
    """Sixteen hexadecimal digits that name the weights of a pipeline's folder, with or without its student's."""
    return weights_digest(folder / "unet", *([folder / STUDENT] if student else []))[:16]
