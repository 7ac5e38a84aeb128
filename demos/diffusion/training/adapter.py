"""The LoRA adapter of a U-Net that is trained in its place: a student's, and one for the user's pictures."""

from __future__ import annotations

from typing import Any

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
