"""The painter with a published checkpoint: whatever pipeline of diffusers makes pictures from words, of a hub's name or
in a local folder; from a picture, and within a mask, where there is a pipeline of its kind that can."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.model.schedulers import swapped
from demos.diffusion.sampling.request import Request, doubts
from shared.corpus.pictures import Unreadable, check_header, fitted, open_picture, to_rgb
from shared.errors import UserError
from shared.pretrained.quiet import quiet_and_offline, silent_logs

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 160  # characters of a library's message that an error repeats
SAFE = "*.safetensors"


class Checkpoint:
    """As `request.Painter`.

    name: a local folder or a hub's name; task: "words", "image" or "mask"; slicing, tiling: less memory for more time,
    of the attention and of the decoder. Raises UserError in one line.
    """

    def __init__(
        self, name: str, task: str, device: str, dtype: torch.dtype, *, slicing: bool = False, tiling: bool = False
    ) -> None:
        folder = Path(name).expanduser()
        self.name, self._task = name, task
        with _enough_memory(name, "float16 in --dtype"):
            self._pipeline = _opened(name, folder, task, dtype).to(device)
        self._pipeline.set_progress_bar_config(disable=True)
        if slicing:
            _sliced(self._pipeline)
        if tiling:
            _tiled(self._pipeline)
        self.identity = _identity(self._pipeline, name)
        self._takes = set(inspect.signature(self._pipeline.__call__).parameters)
        self._looks = self._painted = 0
        if _network(self._pipeline) is None:
            raise UserError(f"{name}: has neither a U-Net nor a transformer; it cannot be drawn with here")
        _network(self._pipeline).register_forward_hook(self._looked, with_kwargs=True)

    def check(self, request: Request) -> list[str]:
        """As `Painter.check`."""
        if request.clip:
            raise UserError("--clip: the CLIP here knows pictograms alone; it guides the model of pictograms")
        unit = int(getattr(self._pipeline, "vae_scale_factor", 1))
        if request.side is not None and request.side % unit:
            raise UserError(f"--size {request.side}: this model draws sides that are multiples of {unit} pixels")
        if request.side is not None and self._task == "words" and "height" not in self._takes:
            raise UserError(f"--size {request.side}: this model draws pictures of its own size alone")
        if request.sampler is not None:
            swapped(self._pipeline.scheduler, request.sampler)
        if self._steps(request) < 1:
            raise UserError(
                f"--strength {request.strength:g} of {request.steps} steps leaves none; take more steps or strength"
            )
        guidance = self._guidance(request)
        if request.negative and guidance is not None and guidance <= 1:
            raise UserError(f"--negative: does nothing at a guidance of {guidance:g}; give --guidance above 1")
        whole = self._task != "words" and not self._keeps()
        notes = ["this model draws a whole new picture from the one it is shown: --strength does nothing"] * whole
        tokenizer = getattr(self._pipeline, "tokenizer", None)
        if tokenizer is None:
            return notes
        tokens = tokenizer(request.prompt, add_special_tokens=False, verbose=False)["input_ids"]
        ends = tokenizer.num_special_tokens_to_add()
        # Where the mark of the end stands for unknown words too, nothing is known of them.
        unknown = None if tokenizer.unk_token_id == tokenizer.eos_token_id else tokenizer.unk_token_id
        # One of several text models may read more than the first.
        most = max(getattr(self._pipeline, name).model_max_length for name in self._tokenizers())
        return notes + doubts(request.prompt, tokens, unknown, most - ends, "other words")

    def _tokenizers(self) -> list[str]:
        names = [name for name in self._pipeline.components if name.startswith("tokenizer")]
        return [name for name in names if getattr(self._pipeline, name) is not None]

    def rounds(self, request: Request) -> int:
        """As `Painter.rounds`."""
        return -(-len(request.seeds) // request.batch) * self._steps(request)

    def evaluations(self, request: Request) -> int:
        """As `Painter.evaluations`, counted while it was painted: samplers and guidance differ too much to be told."""
        return round(self._looks / max(1, self._painted))

    def settings(self, request: Request) -> dict[str, object]:
        """As `Painter.settings`."""
        return {"guidance": self._guidance(request), "sampler": type(self._pipeline.scheduler).__name__}

    def paint(self, request: Request, advance: Callable[[], None]) -> Iterator[Image.Image]:
        """As `Painter.paint`."""
        if request.sampler is not None:
            self._pipeline.scheduler = swapped(self._pipeline.scheduler, request.sampler)
        settings = self._settings(request)
        for at in range(0, len(request.seeds), request.batch):
            seeds = request.seeds[at : at + request.batch]
            found = self._batch(request, seeds, settings, advance)
            self._painted += len(found)
            yield from found

    def _batch(
        self, request: Request, seeds: Sequence[int], settings: dict[str, Any], advance: Callable[[], None]
    ) -> list[Image.Image]:
        left = self._steps(request)

        def told(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal left
            if left:
                left -= 1
                advance()
            return tensors

        settings = dict(settings)
        if request.negative:
            settings["negative_prompt"] = [request.negative] * len(seeds)
        if "callback_on_step_end" in self._takes:
            settings["callback_on_step_end"] = told
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        try:
            with _enough_memory(self.name, "--batch 1, a smaller --size, --slicing, --tiling"):
                answer: Any = self._pipeline(prompt=[request.prompt] * len(seeds), generator=generators, **settings)
        except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: torch's, of shapes and types
            raise UserError(f"{self.name}: its pipeline refuses this ({_first_line(error)})") from None
        for _ in range(left):
            advance()
        return list(answer.images)

    def _looked(self, _: Any, given: tuple[Any, ...], named: dict[str, Any], __: Any) -> None:
        first = next(value for value in [*given, *named.values()] if isinstance(value, torch.Tensor))
        self._looks += len(first)

    def _settings(self, request: Request) -> dict[str, Any]:
        settings: dict[str, Any] = {"num_inference_steps": request.steps}
        if request.guidance is not None:
            settings["guidance_scale"] = request.guidance
        if request.side is not None and "height" in self._takes:
            settings |= {"height": request.side, "width": request.side}
        if self._task != "words":
            settings["image"] = _picture(request.image, self._side(request))
        if self._keeps():
            settings["strength"] = request.strength
        if self._task == "mask":
            settings["mask_image"] = _mask(request, self._side(request))
        return settings

    def _side(self, request: Request) -> int:
        # Both in positions of what the decoder enlarges.
        usual = getattr(self._pipeline, "default_sample_size", None)
        own = getattr(_network(self._pipeline).config, "sample_size", None) or usual
        if request.side is not None:
            return request.side
        if not isinstance(own, int):
            raise UserError(f"{self.name}: does not say how large its pictures are; give --size")
        return int(own * getattr(self._pipeline, "vae_scale_factor", 1))

    def _steps(self, request: Request) -> int:
        return int(request.steps * request.strength) if self._keeps() else request.steps

    def _keeps(self) -> bool:
        """Whether a part of a picture is to be kept: some pipelines draw anew what they are shown."""
        return self._task != "words" and "strength" in self._takes

    def _guidance(self, request: Request) -> float | None:
        if request.guidance is not None:
            return request.guidance
        usual = inspect.signature(self._pipeline.__call__).parameters.get("guidance_scale")
        return float(usual.default) if usual is not None and isinstance(usual.default, int | float) else None


def _opened(name: str, folder: Path, task: str, dtype: torch.dtype) -> Any:
    from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image

    kinds: dict[str, Any] = {
        "words": AutoPipelineForText2Image,
        "image": AutoPipelineForImage2Image,
        "mask": AutoPipelineForInpainting,
    }
    local = folder.is_dir()
    if not local and (folder.is_absolute() or name.startswith((".", "~"))):
        raise UserError(f"pretrained:{name}: there is no such folder")
    if local and not (folder / "model_index.json").is_file():
        raise UserError(f"{folder}: is no pipeline's folder: it has no model_index.json")
    try:
        with quiet_and_offline() if local else silent_logs():
            # Safe tensors alone: a pickle may run whatever it holds.
            return kinds[task].from_pretrained(str(folder) if local else name, dtype=dtype, use_safetensors=True)
    except Exception as error:  # a dozen kinds, from the hub's to those of a config that is none
        if not local:
            raise UserError(
                f"pretrained:{name} could not be had: try again with a network, or save the pipeline as a folder "
                f"elsewhere and give pretrained:FOLDER ({_first_line(error)})"
            ) from None
        raise UserError(f"{folder}: diffusers cannot open it ({_first_line(error)})") from None


@contextlib.contextmanager
def _enough_memory(name: str, ways: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "alloc" not in str(error):
            raise
        raise UserError(f"{name}: the memory is not enough; less is needed with {ways}") from None


def _sliced(pipeline: Any) -> None:
    if not any(hasattr(part, "set_attention_slice") for part in pipeline.components.values()):
        raise UserError("--slicing: nothing of this pipeline can be computed in slices")
    pipeline.enable_attention_slicing()


def _tiled(pipeline: Any) -> None:
    decoder = getattr(pipeline, "vae", None)
    if decoder is None or not hasattr(decoder, "enable_tiling"):
        raise UserError("--tiling: this pipeline has no decoder that works in tiles")
    decoder.enable_tiling()


def _picture(file: Path | None, side: int) -> Image.Image:
    from PIL import Image as Pictures

    if file is None:
        raise ValueError("no picture to start from")
    try:
        return Pictures.fromarray(open_picture(file.expanduser(), side).pixels)
    except Unreadable as error:
        raise UserError(f"{file}: {error}") from None


def _mask(request: Request, side: int) -> Image.Image:
    """White where it is painted anew; what is transparent, and what was added to make a square, is kept."""
    from PIL import Image as Pictures

    if request.mask is None or request.image is None:
        raise ValueError("no mask, or no picture")
    mask, picture = (_upright(file.expanduser()) for file in (request.mask, request.image))
    if mask.size != picture.size:
        sizes = " and ".join("x".join(map(str, image.size)) for image in (mask, picture))
        raise UserError(f"--mask and --image must be of one size, and are of {sizes} pixels")
    if mask.mode.startswith(("I", "F")):  # 16 bits and more, which Pillow would make all white
        anew = np.asarray(to_rgb(mask)[0].convert("L"))
    else:
        black = Pictures.new("RGBA", mask.size, "black")
        anew = np.asarray(Pictures.alpha_composite(black, mask.convert("RGBA")).convert("L"))
    # Squares are filled up with white, which is to mean "kept": so the fitting sees the opposite.
    return Pictures.fromarray(255 - fitted(255 - anew, side)[..., 0])


def _upright(file: Path) -> Image.Image:
    """A picture in the mode that it has; `open_picture` would put a mask's transparent parts on white."""
    from PIL import Image as Pictures
    from PIL import ImageOps

    try:
        check_header(file)
        with Pictures.open(file) as picture:
            return ImageOps.exif_transpose(picture)
    except Unreadable as error:
        raise UserError(f"{file}: {error}") from None
    except Exception as error:  # a decoder answers a damaged file with anything
        raise UserError(f"{file}: broken ({_first_line(error)})") from None


def _network(pipeline: Any) -> Any:
    return getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)


def _identity(pipeline: Any, name: str) -> str:
    """Of the network's weights: of some of each tensor's numbers, since a checkpoint may have gigabytes."""
    network = _network(pipeline)
    digest = hashlib.sha256(Path(name).name.encode() if network is None else b"")
    for key, tensor in (network.state_dict() if network is not None else {}).items():
        flat = tensor.detach().flatten()
        some = flat[:: max(1, len(flat) // 64)][:64].float().cpu().numpy()
        digest.update(key.encode() + str(tuple(tensor.shape)).encode() + some.tobytes())
    return digest.hexdigest()[:16]


def _first_line(error: BaseException) -> str:
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
