"""What a student learns from: where its guided teacher goes, from noise and from where the student itself gets to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.model.pipeline import PictogramPipeline, Words
from demos.diffusion.model.schedulers import scheduler_of
from demos.diffusion.sampling.draw import Track, drawing, plain
from shared.files import written_whole
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import StudentSection
    from demos.diffusion.training.captions import Captions

BATCH = 64


@dataclass(frozen=True)
class Lessons:
    """texts: (n,) places of captions; begins, ends: (n, draws, c, s, s), half precision, the states at the beginning of
    each part of the time, and where the teacher has got to from there at its end; signal: (draws + 1,) the share of
    the variance that is picture at the beginnings and the last end; times: (draws,) at which the student looks."""

    texts: NDArray[np.int64]
    begins: NDArray[np.float16]
    ends: NDArray[np.float16]
    signal: NDArray[np.float64]
    times: NDArray[np.int64]


class School:
    """Makes lessons of captions of the training. odds, tags: as the teacher was trained with.

    Each lesson is told a folder, where its batches are kept, so that a run that is stopped goes on.
    """

    def __init__(
        self,
        teacher: PictogramPipeline,
        captions: Captions,
        odds: NDArray[np.float64],
        settings: StudentSection,
        *,
        tags: float,
        seed: int,
        track: Track = plain,
    ) -> None:
        self._teacher, self._captions, self._settings = teacher, captions, settings
        self._seed, self._track = seed, track
        scheduler = scheduler_of("dpm++", teacher.scheduler)
        scheduler.set_timesteps(settings.draws * settings.teacher)
        self._steps = scheduler.timesteps.tolist()
        random = generator(seed, "lessons")
        rows = random.choice(len(odds), settings.lessons, p=odds)
        self._texts = captions.draw(rows, tags, 0.0, random)

    def first(self, folder: Path | None = None) -> Lessons:
        """The teacher's own way: each part begins where it ended the one before."""

        def way(words: Words, seeds: list[int]) -> torch.Tensor:
            states = [self._teacher.noise(len(seeds), [torch.Generator().manual_seed(seed) for seed in seeds])]
            for part in range(self._settings.draws):
                states.append(self._led(states[-1], words, part))
            return torch.stack(states, 1)

        states = self._kept("the teacher's drawings", way, folder)
        times = np.array(self._steps[:: self._settings.teacher])
        signal = np.append(self._teacher.scheduler.alphas_cumprod.double().numpy()[times], 1.0)
        return Lessons(self._texts, states[:, :-1], states[:, 1:], signal, times)

    def again(self, lessons: Lessons, student: Any, folder: Path | None = None) -> Lessons:
        """The same captions and noise, but each part begins where the student has got to by then.

        student: a U-Net, on the teacher's device.
        """
        teacher, sampler = self._teacher, scheduler_of("ddim", self._teacher.scheduler)
        sampler.set_timesteps(self._settings.draws)
        parts = teacher.text_encoder, teacher.tokenizer, teacher.config.patch, teacher.config.spread
        pupil = PictogramPipeline(student, sampler, *parts)

        def way(words: Words, seeds: list[int]) -> torch.Tensor:
            state = self._teacher.noise(len(seeds), [torch.Generator().manual_seed(seed) for seed in seeds])
            told, pairs = Words(*(part[: len(seeds)] for part in words)), []
            pupil.mixed = teacher.mixed
            for part, time in enumerate(sampler.timesteps[:-1]):
                state = sampler.step(pupil.picture(state, time, told, 1.0), time, state).prev_sample
                pairs += [state, self._led(state, words, part + 1)]
            return torch.stack(pairs, 1)

        training = student.training
        student.eval()
        pairs = self._kept("drawings from where the student is", way, folder)
        student.train(training)
        begins = np.concatenate([lessons.begins[:, :1], pairs[:, ::2]], 1)
        return replace(lessons, begins=begins, ends=np.concatenate([lessons.ends[:, :1], pairs[:, 1::2]], 1))

    def _led(self, state: torch.Tensor, words: Words, part: int) -> torch.Tensor:
        """Where the guided teacher goes, in a part of the time: on from this state alone, whatever was before."""
        count, scheduler = self._settings.teacher, scheduler_of("dpm++", self._teacher.scheduler)
        scheduler.set_timesteps(timesteps=self._steps[part * count : (part + 1) * count + 1])
        for time in scheduler.timesteps[:count]:
            picture = self._teacher.picture(state, time, words, self._settings.guidance)
            state = scheduler.step(picture, time, state).prev_sample
        return state

    def _kept(
        self, label: str, way: Callable[[Words, list[int]], torch.Tensor], folder: Path | None
    ) -> NDArray[np.float16]:
        """(n, k, c, s, s) of all captions what `way` makes of m of them, followed by none where the teacher is guided,
        and m seeds."""
        texts = [self._captions.texts[place] for place in self._texts]
        if folder is not None:
            # Of these captions in this order, and no others.
            folder = folder / f"{hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:16]}-{BATCH}"
            folder.mkdir(parents=True, exist_ok=True)
        parts: list[NDArray[np.float16]] = []
        starts: Iterable[int] = range(0, len(texts), BATCH)
        with drawing(self._teacher, "dpm++", mixed=True), torch.no_grad():
            for at in self._track(label, starts):
                file = folder / f"{at}.npy" if folder is not None else None
                if file is None or not file.is_file():
                    prompts = texts[at : at + BATCH]
                    nothing = [""] * len(prompts) if self._settings.guidance > 1 else []
                    words = self._teacher.encode([*prompts, *nothing])
                    seeds = [self._seed + at + number for number in range(len(prompts))]
                    found: NDArray[np.float16] = way(words, seeds).half().cpu().numpy()
                    if file is not None:
                        with written_whole(file) as temporary, temporary.open("wb") as stream:
                            np.save(stream, found)
                parts.append(found if file is None else np.load(file))
        return np.concatenate(parts)
