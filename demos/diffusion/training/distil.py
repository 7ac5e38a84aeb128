"""Make a student of the teacher: an adapter with which a few unguided steps end where many guided ones did.

The time is cut into as many parts as the student has steps. For each part the student learns the picture that leads,
in one step of DDIM, from a state at the part's beginning to where the teacher gets from there: consistency distillation
by parts (Heek et al., Multistep Consistency Models, 2024; guidance goes into the student as in Meng et al., On
Distillation of Guided Diffusion Models, 2023), with the end of the teacher's way as the target instead of an average of
the student, which a small model can afford because its teacher's drawings fit into memory.

The states are at first the teacher's, and then those that the student itself gets to, asked for anew a few times: what
it has got wrong in one part it is taught to go on from in the next (Ross et al., A Reduction of Imitation Learning,
2011; for diffusion, as "backward distillation", Kohler et al., Imagine Flash, 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.training.objective import missed, predicted
from shared.seed import generator

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

    from demos.diffusion.config import StudentSection
    from demos.diffusion.training.captions import Captions
    from demos.diffusion.training.lessons import Lessons

# Of UNet2DConditionModel: all that mixes channels.
ADAPTED = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "proj_in",
    "proj_out",
    "ff.net.0.proj",
    "ff.net.2",
    "conv1",
    "conv2",
    "conv_shortcut",
    "conv",
    "conv_in",
    "conv_out",
    "time_emb_proj",
    "linear_1",
    "linear_2",
    "class_embedding",
)
HUBER = 0.1  # of a picture in -1 to 1; from there an error counts by its size, so that edges do not become a mean


def add_adapter(unet: Any, rank: int) -> None:
    """Give a U-Net a LoRA adapter through peft, at random and without effect yet; nothing else of it will be trained.

    Random numbers: torch's global generator.
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ADAPTED), init_lora_weights=True))


class StudentObjective:
    """The loss of a step, by its number: the pseudo-Huber error of the picture, which is in proportion to how far from
    the teacher a step of the student ends, with weights max(SNR, 1) (Salimans and Ho, Progressive Distillation, 2022).

    again: the lessons of a round, by its number from 1, made from where the student is at that step; `settings.rounds`
    times, at equal distances.
    """

    def __init__(
        self,
        lessons: Lessons,
        captions: Captions,
        settings: StudentSection,
        seed: int,
        again: Callable[[Lessons, int], Lessons],
    ) -> None:
        self._lessons, self._captions, self._settings, self._seed = lessons, captions, settings, seed
        self._again, self._round = again, 0

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        number = step * (self._settings.rounds + 1) // self._settings.steps
        if number != self._round:
            self._lessons, self._round = self._again(self._lessons, number), number
        random = generator(self._seed, "student", step, accelerator.process_index)
        rows = random.integers(len(self._lessons.texts), size=self._settings.batch)
        parts = random.integers(len(self._lessons.times), size=len(rows))
        state, wanted = self.lesson(rows, parts)
        times, kept = (torch.from_numpy(of[parts]) for of in (self._lessons.times, self._lessons.signal))
        words = self._captions.words(self._lessons.texts[rows])
        found = predicted(network, state, times, kept, words, accelerator)
        weight = (kept / (1 - kept)).clamp(min=1).to(found).view(-1, 1, 1, 1)
        error = missed(found, wanted.to(found.device))
        return (weight * HUBER * ((error.square() + HUBER**2).sqrt() - HUBER)).mean()

    def lesson(self, rows: NDArray[np.int64], parts: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, c, s, s) the states at the beginning of parts of the time, and the pictures that lead to their ends."""
        begins, ends = (
            torch.from_numpy(states[rows, parts].astype(np.float32))
            for states in (self._lessons.begins, self._lessons.ends)
        )
        signal, noise = (self._share(share, parts) for share in (self._lessons.signal, 1 - self._lessons.signal))
        left, rest = (self._share(share, parts + 1) for share in (self._lessons.signal, 1 - self._lessons.signal))
        # DDIM: end = left * picture + rest / noise * (begin - signal * picture).
        # Within black and white, as when it is drawn: more could not be reached.
        picture = (ends - rest / noise * begins) / (left - rest / noise * signal)
        return begins, picture.clamp(-1, 1).float()

    @staticmethod
    def _share(variance: NDArray[np.float64], parts: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.sqrt(variance[parts])).view(-1, 1, 1, 1)


def equal_updates(settings: StudentSection) -> int:
    """Updates of the consistency peer that take as many evaluations of the network as this student's lessons and
    updates do, where going back counts as two."""
    led = settings.teacher * (2 if settings.guidance > 1 else 1)
    again = settings.rounds * (settings.draws - 1) * (led + 1)
    ours = settings.lessons * (settings.draws * led + again) + 3 * settings.steps * settings.batch
    # The teacher with and without words, the student's target, the student forth and back.
    return max(1, ours // (6 * settings.batch))
