"""A new pipeline of diffusers' own classes, and its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.diffusion.model.pipeline import PictogramPipeline
from demos.diffusion.model.schedulers import scheduler_of, training_scheduler
from shared.errors import UserError
from shared.pretrained.minilm import DIMENSION, minilm_folder
from shared.pretrained.quiet import quiet_and_offline

if TYPE_CHECKING:
    from demos.diffusion.config import ModelSection

HEAD = 64  # channels of an attention head
COLOURS = 3


def build(settings: ModelSection) -> PictogramPipeline:
    """A pipeline whose U-Net is at random (torch's global generator) and whose text encoder is MiniLM as published.

    A square of `patch` x `patch` pixels is one position with 3 patch² channels: all computing is done on the coarser
    grid, where two cores can afford it. Raises UserError when MiniLM cannot be had.
    """
    from diffusers import UNet2DConditionModel
    from transformers import AutoModel, AutoTokenizer

    coarser = len(settings.channels) - 1
    with quiet_and_offline():
        unet = UNet2DConditionModel(
            sample_size=settings.size // settings.patch,
            in_channels=COLOURS * settings.patch**2,
            out_channels=COLOURS * settings.patch**2,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * coarser),
            up_block_types=(*["CrossAttnUpBlock2D"] * coarser, "UpBlock2D"),
            block_out_channels=tuple(settings.channels),
            layers_per_block=settings.layers,
            cross_attention_dim=DIMENSION,
            # diffusers takes here, by an old error in its name, the number of heads.
            attention_head_dim=tuple(max(1, width // HEAD) for width in settings.channels),
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=DIMENSION,
        )
        folder = str(minilm_folder())
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        words: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    scheduler = scheduler_of("dpm++", training_scheduler())
    words.eval().requires_grad_(False)
    return PictogramPipeline(unet, scheduler, words, tokenizer, settings.patch)


def opened(folder: Path) -> PictogramPipeline:
    """The pipeline that `save_pretrained` wrote. Raises UserError when it is none, or holds pickles."""
    if not (folder / "model_index.json").is_file():
        raise UserError(f"{folder}: is no pipeline's folder: it has no model_index.json")
    try:
        with quiet_and_offline():
            found: PictogramPipeline = PictogramPipeline.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"{folder}: cannot be opened as a pipeline of this demo ({first})") from None
    found.set_progress_bar_config(disable=True)
    return found
