"""A new pipeline of diffusers' own classes, and its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.diffusion.model.pipeline import SPREAD, PictogramPipeline
from demos.diffusion.model.schedulers import scheduler_of, training_scheduler
from shared.errors import UserError
from shared.pretrained.minilm import DIMENSION, minilm_folder
from shared.pretrained.quiet import quiet_and_offline

if TYPE_CHECKING:
    from demos.diffusion.config import ModelSection

SHIPPED = Path(__file__).parents[1] / "weights"
STUDENT = "student"  # folder of its adapter, beside the teacher's parts
TEXT_PARTS = ("text_encoder", "tokenizer")
HEAD = 64  # channels of an attention head
COLOURS = 3


def build(settings: ModelSection) -> PictogramPipeline:
    """A pipeline whose U-Net is at random (torch's global generator) and whose text encoder is MiniLM as published.

    Raises UserError when MiniLM cannot be had.
    """
    scheduler = scheduler_of("dpm++sde", training_scheduler())
    return PictogramPipeline(unet_of(settings), scheduler, *_text_model(), settings.patch)


def unet_of(settings: ModelSection) -> Any:
    """diffusers' UNet2DConditionModel, at random (torch's global generator).

    A square of `patch` x `patch` pixels is one position with 3 patch² channels: all computing is done on the coarser
    grid, where two cores can afford it.
    """
    from diffusers import UNet2DConditionModel

    coarser = len(settings.channels) - 1
    with quiet_and_offline():
        return UNet2DConditionModel(
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


def folder_of(name: str) -> Path:
    """The folder of the pipeline "shipped" or "local-dir:FOLDER". Raises UserError for other names."""
    kind, _, place = name.partition(":")
    if name == "shipped":
        if not (SHIPPED / "model_index.json").is_file():
            raise UserError(f"{SHIPPED}: the shipped weights are not there; this copy of the repository is not whole")
        return SHIPPED
    if kind != "local-dir" or not place:
        raise UserError(f"model.name={name}: allowed are shipped, train and local-dir:FOLDER")
    return Path(place).expanduser()


def opened(folder: Path) -> PictogramPipeline:
    """The pipeline that `save_pretrained` wrote. Raises UserError when it is none, or holds pickles."""
    from safetensors import SafetensorError

    if not (folder / "model_index.json").is_file():
        raise UserError(f"{folder}: is no pipeline's folder: it has no model_index.json")
    # What the repository ships is without the text model, which is the published one.
    parts = {} if (folder / "text_encoder").is_dir() else dict(zip(TEXT_PARTS, _text_model(), strict=True))
    try:
        with quiet_and_offline():
            found: PictogramPipeline = PictogramPipeline.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, **parts
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: cannot be opened as a pipeline of this demo ({_first_line(error)})") from None
    if getattr(found.unet.config, "in_channels", 0) != COLOURS * found.config.patch**2:
        raise UserError(f"{folder}: is no pipeline of this demo; trendlab generate takes it as pretrained:{folder}")
    says, spread = found.scheduler.config.get("prediction_type"), found.config.spread
    if says != "sample" or spread != SPREAD:
        raise UserError(f"{folder}: was trained to predict something else ({says}, spread {spread}); train it anew")
    found.set_progress_bar_config(disable=True)
    found.unet.float()  # weights may be kept in half precision
    return found


def fused(unet: Any) -> Any:
    """A U-Net with its adapter added to its weights, in place."""
    unet.fuse_lora()
    unet.unload_lora()
    return unet


def _text_model() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    folder = str(minilm_folder())
    with quiet_and_offline():
        words: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return words.eval().requires_grad_(False), tokenizer


def with_student(teacher: PictogramPipeline, folder: Path) -> PictogramPipeline:
    """The teacher's pipeline again, its network a copy with the student's adapter, which lies in `folder`.

    Raises UserError when there is none, or it does not fit.
    """
    from safetensors import SafetensorError

    place = folder / STUDENT
    if not place.is_dir():
        raise UserError(f"{folder}: has no student in it; student.name=none goes without, train makes one")
    unet: Any = type(teacher.unet).from_config(teacher.unet.config)
    unet.load_state_dict(teacher.unet.state_dict())
    try:
        with quiet_and_offline():
            unet.load_lora_adapter(place, prefix=None, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{place}: cannot be opened as a student of this pipeline ({_first_line(error)})") from None
    words = teacher.text_encoder, teacher.tokenizer
    unet = fused(unet).eval().to(teacher.device)
    scheduler = scheduler_of("lcm", teacher.scheduler)
    found = PictogramPipeline(unet, scheduler, *words, teacher.config.patch, teacher.config.spread)
    found.set_progress_bar_config(disable=True)
    return found


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
