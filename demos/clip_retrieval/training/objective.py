"""What one step minimises: pictures against the captions of the batch, against all captions, and towards their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from demos.clip_retrieval.training.losses import (
    MultiPositiveClipLoss,
    MultiPositiveSigLipLoss,
    bank_loss,
    contrastive,
    regression_loss,
)

if TYPE_CHECKING:
    from demos.clip_retrieval.config import LossSection
    from demos.clip_retrieval.training.text_bank import TextBank


class Shown(NamedTuple):
    """What pictures show. records: (n,); said: (n, d) what the teacher says of them, zeros where nothing."""

    records: Tensor
    said: Tensor


class Batch(NamedTuple):
    """inputs: (n, 3, s, s), normalised, each a mixture of two pictures; share: of the first, 0 to 1."""

    inputs: Tensor
    first: Shown
    second: Shown
    share: float


class Objective(nn.Module):
    """The loss of a batch. A module, so that accelerate can spread it over several devices.

    model: of open_clip. bank: captions of all n records. train: records that are trained on. teacher: weight of what it
    says. tokens: (u, c) of the bank's texts where the text tower is trained too; None where it is locked and
    `bank.pooled` stands for it. The contrastive loss sees the batch of its own process; the bank holds the whole
    training part on each.
    """

    def __init__(
        self,
        model: Any,
        bank: TextBank,
        train: NDArray[np.int64],
        kinds: Sequence[str],
        settings: LossSection,
        teacher: float = 0.0,
        tokens: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model, self.kinds, self.settings, self.teacher = model, kinds, settings, teacher
        self.contrast = contrastive(settings.kind)
        self.register_buffer("pooled", functional.normalize(torch.from_numpy(bank.pooled), dim=1), persistent=False)
        self.register_buffer("tokens", tokens, persistent=False)
        # Nothing in the text side learns: each text is projected once.
        still = tokens is None and not any(weight.requires_grad for weight in model.text.parameters())
        with torch.no_grad():
            known = functional.normalize(model.text.proj(self.pooled), dim=1) if still else None
        self.register_buffer("known", known, persistent=False)
        for kind, rows in bank.rows.items():
            self.register_buffer(f"rows_{kind}", torch.from_numpy(rows), persistent=False)
            distinct = np.unique(rows[train])
            place = np.full(len(bank.texts), -1)
            place[distinct] = np.arange(len(distinct))
            self.register_buffer(f"bank_{kind}", torch.from_numpy(distinct), persistent=False)
            # -1, which no target may be, for records outside training: a mistake there cannot pass unseen.
            self.register_buffer(f"target_{kind}", torch.from_numpy(place[rows]), persistent=False)

    pooled: Tensor
    tokens: Tensor | None
    rows_name: Tensor
    rows_tags: Tensor

    known: Tensor | None

    def text(self, texts: Tensor) -> Tensor:
        """(n, d) normalised features of rows of the bank."""
        if self.known is not None:
            return self.known[texts]
        if self.tokens is None:
            return functional.normalize(self.model.text.proj(self.pooled[texts]), dim=1)
        return functional.normalize(self.model.encode_text(self.tokens[texts]).float(), dim=1)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch, a mixture of those of its two halves."""
        image = functional.normalize(self.model.visual(batch.inputs).float(), dim=1)
        loss = self._loss(image, batch.first)
        return loss if batch.share == 1 else batch.share * loss + (1 - batch.share) * self._loss(image, batch.second)

    def _loss(self, image: Tensor, shown: Shown) -> Tensor:
        records, scale = shown.records, self.model.logit_scale.exp()
        names = self.rows_name[records]
        name = self.text(names)
        loss = self.settings.batch * self._contrast(image, name, scale, names)
        if self.settings.bank:
            for kind in self.kinds:
                weight = self.settings.subgroup if kind == "subgroup" else 1.0
                bank, target = getattr(self, f"bank_{kind}"), getattr(self, f"target_{kind}")
                loss = loss + weight * self.settings.bank * bank_loss(image, self.text(bank), target[records], scale)
        if self.settings.regression:
            whole = functional.normalize(name + self.text(self.rows_tags[records]), dim=1)
            loss = loss + self.settings.regression * regression_loss(image, whole)
        if self.teacher:
            loss = loss + self.teacher * regression_loss(image, shown.said)
        return loss

    def _contrast(self, image: Tensor, text: Tensor, scale: Tensor, keys: Tensor) -> Tensor:
        bias = [] if self.model.logit_bias is None else [self.model.logit_bias]
        shared = [keys] if isinstance(self.contrast, (MultiPositiveClipLoss, MultiPositiveSigLipLoss)) else []
        loss: Tensor = self.contrast(image, text, scale, *bias, *shared)
        return loss
