"""SetFit: MiniLM drawn by pairs of texts of one label or of two, and logistic regression on what it then says."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from demos.coevolution.data import texts
from demos.coevolution.splits import frozen, labelled_at_home
from shared.pretrained.minilm import minilm_folder
from shared.pretrained.quiet import quiet_and_offline

if TYPE_CHECKING:
    from demos.coevolution.training.jobs import Scores


@dataclass(frozen=True)
class Pairs:
    """On the labelled texts of a seed, by its documentation's rate. steps: of `pairs` pairs."""

    seed: int
    labelled: int
    test: int | None
    steps: int
    pairs: int


def setfit(job: Pairs) -> Scores:
    """Accuracy on the test of each scene, 0 to 1."""
    from datasets import Dataset, disable_progress_bars
    from setfit import SetFitModel, Trainer, TrainingArguments

    known = [texts()[place] for place in labelled_at_home(job.seed, job.labelled)[0]]
    given = Dataset.from_dict({"text": [text.text for text in known], "label": [text.label for text in known]})
    disable_progress_bars()
    logging.getLogger("setfit").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, _hushed(), torch.random.fork_rng(devices=[]):
        model = SetFitModel.from_pretrained(str(minilm_folder()))
        arguments = TrainingArguments(
            output_dir=folder,
            batch_size=job.pairs,
            max_steps=job.steps,
            seed=job.seed,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        Trainer(model=model, args=arguments, train_dataset=given).train()
        return {str(scene): _right(model, places[: job.test]) for scene, places in frozen().test.items()}


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Its trainer shows bars and lines of its own, terminal or not, and warns of what it sets itself."""
    said = io.StringIO()
    with (
        quiet_and_offline(),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _right(model: object, places: object) -> float:
    asked = [texts()[place] for place in places]  # type: ignore[attr-defined]
    said = torch.as_tensor(model.predict([text.text for text in asked], show_progress_bar=False))  # type: ignore[attr-defined]
    return float((said == torch.tensor([text.label for text in asked])).float().mean())
