"""MiniLM as it was published: sentences to vectors by mean pooling, the text side of the peers, and of training
where the text tower is locked.

The weights' hash is checked when they are opened (`minilm_folder`), so that the packager need not be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.data import derived_folder, fetch_member, house_manifest
from shared.files import written_whole
from shared.pretrained.words import cleaned

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
DIMENSION = 384
CONTEXT = 32  # tokens; the longest caption of OpenMoji has fewer
BATCH = 64
WORTH_KEEPING = 100  # new texts at once


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, every file checked, as transformers takes it.

    Raises UserError when it cannot be had.
    """
    files = [fetch_member(house_manifest(), name) for name in FILES]
    return files[0].parent


class MiniLM:
    """all-MiniLM-L6-v2 on the CPU; called with texts, it gives their vectors. Each text is encoded once on a machine:
    the vectors of many are kept in the cache, and the model is not even loaded for texts that are known.

    Raises UserError when its files can be neither found nor fetched.
    """

    def __init__(self) -> None:
        self._loaded: tuple[Any, Any] | None = None
        self._file = (
            derived_folder("pretrained")
            / f"minilm-cleaned-{house_manifest().member('model.safetensors')[1].sha256[:8]}.npz"
        )
        self._known: dict[str, NDArray[np.float32]] = _read(self._file)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 384) L2-normalised vectors."""
        # Texts of a length share a batch: little padding is computed.
        new = sorted(set(texts) - set(self._known), key=lambda text: (len(text), text))
        for at in range(0, len(new), BATCH):
            batch = new[at : at + BATCH]
            self._known |= dict(zip(batch, self._encode([cleaned(text) for text in batch]), strict=True))
        if len(new) >= WORTH_KEEPING:
            self._keep()
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, DIMENSION)

    def _keep(self) -> None:
        with written_whole(self._file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, texts=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        self._loaded = self._loaded or _load()
        tokenizer, model = self._loaded
        with torch.inference_mode():
            inputs = tokenizer(texts, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt")
            states_blw = model(**inputs).last_hidden_state
            mask_bl1 = inputs["attention_mask"][..., None]
            pooled = (states_blw * mask_bl1).sum(1) / mask_bl1.sum(1)
            return np.asarray(torch.nn.functional.normalize(pooled, dim=-1).numpy(), np.float32)


def _read(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(file) as kept:
            return dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}


def _load() -> tuple[Any, Any]:
    """Tokenizer and model from the checked folder; the library asks no server and says nothing."""
    from transformers import AutoModel, AutoTokenizer

    from shared.pretrained.quiet import quiet_and_offline

    folder = str(minilm_folder())
    with quiet_and_offline():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    return tokenizer, model
