"""Make a student of the teacher: an adapter with which a few unguided steps draw what many guided ones do.

Distribution matching distillation (Yin et al., Improved Distribution Matching Distillation, 2024): the student draws,
noise is added, and two networks say the picture that they see in it: the guided teacher, and a critic that learns at
each step what the student draws. Where they differ the student draws too much, or too little, of something, and its
picture is moved by the difference. It is not asked to repeat any picture of its teacher, so that nothing becomes a
mean. There is no discriminator here, and no real picture: words and noise are all that it learns from.

The student walks as it will draw: all its steps, with fresh noise in each (diffusers' `LCMScheduler`), and learns at
each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from demos.diffusion.config import TIMES
from demos.diffusion.model.pipeline import Words
from demos.diffusion.model.schedulers import scheduler_of, training_scheduler
from demos.diffusion.training.fit import CLIP_NORM, Weights, compiled, optimizer_of, trainable
from demos.diffusion.training.objective import guided, missed, predicted
from shared.seed import generator

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

    from demos.diffusion.config import StudentSection
    from demos.diffusion.model.pipeline import PictogramPipeline
    from demos.diffusion.training.captions import Captions

FIRST = 20  # updates of the critic before it is asked
EARLIEST, LATEST = 0.02, 0.98  # of the time, where the two are compared (Yin et al.)
LEAST = 1e-3  # mean difference between a picture and the teacher's by which a move is divided


class Walk(NamedTuple):
    """A student's way to pictures, its steps one after the other. states: (n, c, s, s) where it looked; times: (n,);
    pictures: (n, c, s, s) what it said, which leads to the next state with fresh noise; words: of n prompts."""

    states: torch.Tensor
    times: torch.Tensor
    pictures: torch.Tensor
    words: Words

    @property
    def shown(self) -> torch.Tensor:
        """The pictures between black and white."""
        return self.pictures.detach().clamp(-1, 1)


class MatchingObjective:
    """The loss of a step, by its number: half the square of the move that is asked of each picture.

    For `settings.imitate` steps the student learns the picture that its guided teacher sees in the same states (Meng et
    al., On Distillation of Guided Diffusion Models, 2023), and is then matched: a student that begins far from the
    teacher is led to pictures that are sharp but not of the words.

    odds: (n,) of each picture's captions to be drawn, of sum 1; tags, min_snr: as the teacher was trained with.
    """

    def __init__(
        self,
        teacher: PictogramPipeline,
        captions: Captions,
        odds: NDArray[np.float64],
        settings: StudentSection,
        *,
        tags: float,
        min_snr: float,
        seed: int,
    ) -> None:
        self._captions, self._odds, self._settings, self._tags, self._seed = captions, odds, settings, tags, seed
        self._signal = training_scheduler().alphas_cumprod.float()
        self._weight = (self._signal / (1 - self._signal)).clamp(max=min_snr)
        scheduler = scheduler_of("lcm", teacher.scheduler)
        scheduler.set_timesteps(settings.draws)
        self.times: list[int] = scheduler.timesteps.tolist()
        config = teacher.unet.config
        self._shape = config.in_channels, config.sample_size, config.sample_size
        self._critic: Any = type(teacher.unet).from_config(config)
        self._critic.load_state_dict(teacher.unet.state_dict())
        self._teacher = compiled(teacher.unet) if settings.compile else teacher.unet
        self._optimizer: Any = None

    def begin(self, accelerator: Accelerator) -> dict[str, Any]:
        """Before the first step: the parts of the training's state that are kept here."""
        weights = trainable(self._critic, accelerator.device.type)
        rates = self._settings.model_copy(update={"learning_rate": self._settings.critic_rate})
        critic, self._optimizer = accelerator.prepare(self._critic, optimizer_of(list(weights.values()), rates))
        self._critic = compiled(critic) if self._settings.compile else critic
        return {"critic": Weights(weights), "critic's optimizer": self._optimizer}

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        random = generator(self._seed, "match", step, accelerator.process_index)
        if step == self._settings.imitate:
            for _ in range(FIRST):
                with torch.no_grad():
                    walk = self._walk(network, random, accelerator)
                self._criticise(walk, random, accelerator)
        walk = self._walk(network, random, accelerator)
        if step < self._settings.imitate:
            target = self._wanted(walk.states, walk.times, walk.words, accelerator)
        else:
            state, times, theirs = self._criticise(walk, random, accelerator)
            wanted = self._wanted(state, times, walk.words, accelerator)
            size = (walk.shown - wanted).abs().mean((1, 2, 3), keepdim=True).clamp(min=LEAST)
            target = walk.shown + (wanted - theirs) / size
        return 0.5 * missed(walk.pictures, target).square().mean()

    def _walk(self, network: Any, random: np.random.Generator, accelerator: Accelerator) -> Walk:
        count, noise = self._settings.batch, torch.Generator().manual_seed(int(random.integers(2**31)))
        rows = random.choice(len(self._odds), count, p=self._odds)
        words = self._captions.words(self._captions.draw(rows, self._tags, 0.0, random))
        state = torch.randn(count, *self._shape, generator=noise).to(accelerator.device)
        states, said = list[torch.Tensor](), list[torch.Tensor]()
        for number, time in enumerate(self.times):
            times = torch.full((count,), time)
            if number:
                state = self._noisy(said[-1].detach().clamp(-1, 1), times, noise)
            states.append(state)
            said.append(predicted(network, state, times, self._signal[times], words, accelerator))
        steps = len(said)
        several = Words(*(part.repeat(steps, *[1] * (part.ndim - 1)) for part in words))
        return Walk(torch.cat(states), torch.tensor(self.times).repeat_interleave(count), torch.cat(said), several)

    def _criticise(
        self, walk: Walk, random: np.random.Generator, accelerator: Accelerator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The critic learns what the student says; returns the states in which it saw that, (n, c, s, s), their times,
        (n,), and the pictures that it saw there before it learned."""
        noise = torch.Generator().manual_seed(int(random.integers(2**31)))
        times = torch.from_numpy(random.integers(int(EARLIEST * TIMES), int(LATEST * TIMES), len(walk.times)))
        state = self._noisy(walk.shown, times, noise)
        theirs = predicted(self._critic, state, times, self._signal[times], walk.words, accelerator)
        each = missed(theirs, walk.shown).square().mean((1, 2, 3))
        self._optimizer.zero_grad()
        accelerator.backward((each * self._weight[times].to(each.device)).mean())
        accelerator.clip_grad_norm_(self._critic.parameters(), CLIP_NORM)
        self._optimizer.step()
        return state, times, theirs.detach().clamp(-1, 1)

    @torch.no_grad()
    def _wanted(self, state: torch.Tensor, times: torch.Tensor, words: Words, accelerator: Accelerator) -> torch.Tensor:
        """(n, c, s, s) the pictures that the guided teacher sees in states."""
        nothing = self._captions.words(np.zeros(len(times), np.int64))
        kept, guidance = self._signal[times], self._settings.guidance
        return guided(self._teacher, state, times, kept, words, nothing, guidance, accelerator)

    def _noisy(self, pictures: torch.Tensor, times: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        fresh = torch.randn(pictures.shape, generator=noise).to(pictures.device)
        kept = self._signal[times].to(pictures.device).view(-1, 1, 1, 1)
        return kept.sqrt() * pictures + (1 - kept).sqrt() * fresh


def equal_updates(settings: StudentSection) -> int:
    """Updates of the consistency peer that take as many evaluations of the network as this student's training, where
    going back counts as two."""
    shown, matched = settings.draws * settings.batch, max(0, settings.steps - settings.imitate)
    # Student and critic forth and back, and the teacher with and without words; before that the student forth alone.
    ours = (settings.steps * (3 + 2) + matched * 3 + (FIRST * (1 + 3) if matched else 0)) * shown
    # The teacher with and without words, the student's target, the student forth and back.
    return max(1, ours // (6 * shown))
