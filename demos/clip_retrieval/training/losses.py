"""What training minimises: open_clip's own losses, and their forms for captions that several pictures share.

With exactly repeated captions, `ClipLoss` already has the gradient of the multi-positive form: the columns of equal
texts move together. The two differ where positives are not the same text (synonyms, tags), and for SigLIP, which would
push a picture away from its own caption in another row (asked for in mlfoundations/open_clip#1027).
"""

from __future__ import annotations

from typing import Any

import torch
from open_clip.loss import ClipLoss, SigLipLoss
from torch import Tensor
from torch.nn import functional


def shared_positives(keys: Tensor) -> Tensor:
    """(n, n) targets: rows of equal `keys` (n,) are positives of each other, each row sums to 1."""
    same = (keys[:, None] == keys[None]).float()
    return same / same.sum(1, keepdim=True)


class MultiPositiveClipLoss(ClipLoss):
    """`ClipLoss` where pictures that share a caption are positives of each other: mean log-probability over them.

    On keys that are all different it equals `ClipLoss`. Source: Khosla et al., Supervised Contrastive Learning (2020),
    the form with the sum outside the logarithm.
    """

    def forward(
        self, image_features: Tensor, text_features: Tensor, logit_scale: Tensor, keys: Tensor, **_: Any
    ) -> Tensor:
        """image_features, text_features: (n, d), normalised; keys: (n,) equal where captions are equal."""
        per_image, per_text = self.get_logits(image_features, text_features, logit_scale)
        targets = shared_positives(keys).to(per_image)
        return (functional.cross_entropy(per_image, targets) + functional.cross_entropy(per_text, targets)) / 2


class MultiPositiveSigLipLoss(SigLipLoss):
    """`SigLipLoss` where every pair of equal keys is a positive. Equals it on keys that are all different."""

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        logit_bias: Tensor,
        keys: Tensor,
    ) -> Tensor:
        """image_features, text_features: (n, d), normalised; keys: (n,) equal where captions are equal."""
        logits = self.get_logits(image_features, text_features, logit_scale, logit_bias)
        signs = 2 * (keys[:, None] == keys[None]).to(logits) - 1
        return -functional.logsigmoid(signs * logits).sum() / len(image_features)


def bank_loss(image_features: Tensor, bank: Tensor, targets: Tensor, logit_scale: Tensor) -> Tensor:
    """Cross-entropy of finding a picture's caption among the distinct captions of the whole training part.

    image_features: (n, d); bank: (m, d) distinct captions, normalised; targets: (n,) rows of `bank`. A locked text
    tower makes this cheap: the whole bank is one matrix, where an ordinary batch offers n captions.
    """
    return functional.cross_entropy(logit_scale * image_features @ bank.T, targets)


def regression_loss(image_features: Tensor, text_features: Tensor) -> Tensor:
    """Mean of 1 - cosine between pictures and the text of all that is known of them. Both (n, d), normalised."""
    return (1 - (image_features * text_features).sum(1)).mean()


def contrastive(kind: str) -> torch.nn.Module:
    """The loss of a config's `loss.kind`. Raises ValueError for another name."""
    kinds: dict[str, type[torch.nn.Module]] = {
        "clip": ClipLoss,
        "siglip": SigLipLoss,
        "multipositive": MultiPositiveClipLoss,
        "multipositive-siglip": MultiPositiveSigLipLoss,
    }
    if kind not in kinds:
        raise ValueError(f"unknown loss {kind!r}; allowed: {', '.join(kinds)}")
    return kinds[kind]()
