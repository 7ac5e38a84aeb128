"""Words to a picture, in pixels: a `DiffusionPipeline` of diffusers around its own U-Net and schedulers.

    pipeline = PictogramPipeline.from_pretrained(FOLDER)
    picture = pipeline("a red apple", generator=torch.Generator().manual_seed(0)).images[0]

It imports nothing of this repository, so that diffusers can load a folder with this file alone:
`DiffusionPipeline.from_pretrained(FOLDER, custom_pipeline="PATH/pipeline.py", trust_remote_code=True)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from torch import Tensor
from torch.nn import functional

CONTEXT = 32  # tokens of a prompt that are read; [CLS] and [SEP] among them
SPREAD = 0.05  # of noise beside a picture in -1 to 1, below which the state counts for more than the network


class Words(NamedTuple):
    """What the text encoder makes of n prompts. states: (n, l, w); mask: (n, l), 1 where a token is; pooled: (n, w)
    their mean, of length sqrt(w), so that its entries are near 1."""

    states: Tensor
    mask: Tensor
    pooled: Tensor


def picture_of(found: Tensor, state: Tensor, kept: Tensor, spread: float = SPREAD) -> Tensor:
    """(n, c, s, s) the picture that the network's answer (n, c, s, s) to a state (n, c, s, s) means.

    kept: (n, 1, 1, 1) or (), 0 to 1, the share of the state's variance that is picture (alpha bar); spread: above 0.

    The state's factor is c_skip of Karras et al., Elucidating the Design Space, 2022, for noise that preserves the
    variance; the answer's is their c_out without its sigma_data, so that at much noise the answer is the picture
    itself. It is not the noise, of which a network that is narrow beside its squares loses a part on the way (Li and
    He, Back to Basics: Let Denoising Generative Models Denoise, 2025). At little noise it corrects the state.
    """
    both = 1 - kept + spread**2 * kept
    return spread**2 * kept.sqrt() / both * state + ((1 - kept) / both).sqrt() * found


class PictogramPipeline(DiffusionPipeline):
    """Draws square pictures from words. unet: a UNet2DConditionModel that takes squares of `patch` pixels as channels
    and the mean of the words as its class, and answers what `picture_of` reads; scheduler: any of diffusers' with
    `prediction_type` "sample"; text_encoder, tokenizer: of BERT's family."""

    def __init__(
        self, unet: Any, scheduler: Any, text_encoder: Any, tokenizer: Any, patch: int = 4, spread: float = SPREAD
    ) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, text_encoder=text_encoder, tokenizer=tokenizer)
        self.register_to_config(patch=patch, spread=spread)
        self.mixed = False  # whether the network multiplies in bfloat16

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Words:
        """What the text encoder makes of them; what is longer than CONTEXT tokens is cut."""
        found = self.tokenizer(
            list(prompts), padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt"
        ).to(self.device)
        states = self.text_encoder(**found).last_hidden_state.float()
        mask = found["attention_mask"]
        pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return Words(states, mask, functional.normalize(pooled, dim=1) * states.shape[-1] ** 0.5)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps: int = 20,
        guidance_scale: float = 4.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        correct: Callable[[Tensor, float], Tensor] | None = None,
        callback_on_step_end: Callable[[PictogramPipeline, int, int, dict[str, Tensor]], Any] | None = None,
    ) -> ImagePipelineOutput:
        """A picture for each prompt.

        guidance_scale: weight of the prompt beside no prompt at all (classifier-free guidance), 1 = none; generator:
        one for each picture, so that none depends on the others; output_type: "pil", or "np" for (n, s, s, 3) in 0
        to 1; correct: changes the (n, 3, s, s) pictures in -1 to 1 that a step predicts, told the share of the
        variance of the step's state that is picture; callback_on_step_end: told after each step, as diffusers'
        pipelines do, of itself, the step's number, its time, and the state, (n, 3 patch², s / patch, s / patch).
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        generators = [generator] if isinstance(generator, torch.Generator) else list(generator or [])
        if generators and len(generators) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts and {len(generators)} generators; give one for each")
        guided = guidance_scale > 1
        words = self.encode([*prompts, *([""] * len(prompts) if guided else [])])
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        if hasattr(self.scheduler, "set_begin_index"):
            # Of many steps the first two may have one time, and diffusers would look for it and begin with the second.
            self.scheduler.set_begin_index(0)
        state = self.noise(len(prompts), generators) * self.scheduler.init_noise_sigma
        # Samplers that add noise on the way take it from each picture's own generator.
        takes = generators and "generator" in inspect.signature(self.scheduler.step).parameters
        fresh = {"generator": generators} if takes else {}
        # Of some numbers of steps (61, 103, ...) diffusers' times at equal distances are one too many, below 0.
        times = self.scheduler.timesteps[self.scheduler.timesteps >= 0]
        for number, time in enumerate(self.progress_bar(times)):
            seen = self.scheduler.scale_model_input(state, time)
            picture = self.picture(seen, time, words, guidance_scale if guided else 1.0, correct)
            state = self.scheduler.step(picture, time, state, **fresh).prev_sample
            if callback_on_step_end:
                callback_on_step_end(self, number, int(time), {"latents": state})
        pictures = (functional.pixel_shuffle(state, self.config.patch).clamp(-1, 1) + 1) / 2
        array = pictures.permute(0, 2, 3, 1).float().cpu().numpy()
        return ImagePipelineOutput(images=self.numpy_to_pil(array) if output_type == "pil" else array)

    def noise(self, count: int, generators: Sequence[torch.Generator]) -> Tensor:
        """(count, 3 patch², s / patch, s / patch) what pictures are drawn from, each by a generator of its own."""
        shape = (1, self.unet.config.in_channels, self.unet.config.sample_size, self.unet.config.sample_size)
        drawn = [torch.randn(shape, generator=generators[row] if generators else None) for row in range(count)]
        return torch.cat(drawn).to(self.device)

    def picture(
        self,
        seen: Tensor,
        time: Tensor,
        words: Words,
        guidance: float,
        correct: Callable[[Tensor, float], Tensor] | None = None,
    ) -> Tensor:
        """(n, 3 patch², s / patch, s / patch) the picture that is seen in as large states at a time, guided, and kept
        between black and white.

        words: of n prompts, and where guidance is not 1, of none for each of them after those.
        """
        twice = torch.cat([seen, seen]) if guidance != 1 else seen
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            found = self.unet(
                twice,
                time,
                encoder_hidden_states=words.states.to(twice.dtype),
                encoder_attention_mask=words.mask,
                class_labels=words.pooled.to(twice.dtype),
            ).sample.float()
        kept = self._signal(time)
        # Before they are compared: what is beyond black and white, which the training leaves open, means nothing.
        picture = picture_of(found, twice, kept, self.config.spread).clamp(-1, 1)
        if guidance != 1:
            told, untold = picture.chunk(2)
            picture = (untold + guidance * (told - untold)).clamp(-1, 1)
        if correct:
            pictures = correct(functional.pixel_shuffle(picture, self.config.patch), float(kept))
            picture = functional.pixel_unshuffle(pictures, self.config.patch)
        return picture

    def _signal(self, time: Tensor) -> Tensor:
        """Share of the variance that is picture at a time, which may lie between two of the training."""
        known = self.scheduler.alphas_cumprod.to(self.device)
        below = time.float().floor().long().clamp(0, len(known) - 1)
        above = (below + 1).clamp(max=len(known) - 1)
        part = (time.float() - below).to(self.device)
        return (1 - part) * known[below] + part * known[above]
