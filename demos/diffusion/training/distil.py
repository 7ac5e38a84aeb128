"""Make a student of the teacher: an adapter with which a few unguided steps end where many guided ones did.

The time is cut into as many parts as the student has steps. For each part the student learns the picture that leads,
in one step of DDIM, from where its teacher entered the part to where the teacher left it: consistency distillation by
parts (Heek et al., Multistep Consistency Models, 2024; guidance goes into the student as in Meng et al., On
Distillation of Guided Diffusion Models, 2023), with the end of the teacher's own way as the target instead of an
average of the student, which a small model can afford because its teacher's drawings fit into memory.
"""

from __future__ import annotations

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


def add_adapter(unet: Any, rank: int) -> None:
    """Give a U-Net a LoRA adapter through peft, at random and without effect yet; nothing else of it will be trained.

    Random numbers: torch's global generator.
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(ADAPTED), init_lora_weights=True))


class StudentObjective:
    """The loss of a step, by its number: the square error of the picture, which is in proportion to how far from the
    teacher's a step of the student ends, with weights max(SNR, 1) (Salimans and Ho, Progressive Distillation, 2022)."""

    def __init__(self, lessons: Lessons, captions: Captions, settings: StudentSection, seed: int) -> None:
        self._lessons, self._captions, self._settings, self._seed = lessons, captions, settings, seed

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        random = generator(self._seed, "student", step, accelerator.process_index)
        rows = random.integers(len(self._lessons.texts), size=self._settings.batch)
        parts = random.integers(len(self._lessons.times), size=len(rows))
        state, wanted = self.lesson(rows, parts)
        times, kept = (torch.from_numpy(of[parts]) for of in (self._lessons.times, self._lessons.signal))
        words = self._captions.words(self._lessons.texts[rows])
        found = predicted(network, state, times, kept, words, accelerator)
        weight = (kept / (1 - kept)).clamp(min=1).to(found).view(-1, 1, 1, 1)
        return (weight * missed(found, wanted.to(found.device)).square()).mean()

    def lesson(self, rows: NDArray[np.int64], parts: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, c, s, s) the states at the beginning of parts of the time, and the pictures that lead to their ends."""
        begins, ends = (
            torch.from_numpy(self._lessons.states[rows, place].astype(np.float32)) for place in (parts, parts + 1)
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
    drawings = settings.lessons * settings.draws * settings.teacher * (2 if settings.guidance > 1 else 1)
    ours = drawings + 3 * settings.steps * settings.batch
    # The teacher with and without words, the student's target, the student forth and back.
    return max(1, ours // (6 * settings.batch))
