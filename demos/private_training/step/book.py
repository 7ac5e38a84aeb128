"""The sum of clipped gradients in one backward pass, without a gradient of each unit where its norm is enough.

Book-keeping (Bu, Wang, Zha and Karypis, "Differentially private optimization on large model at small cost", ICML 2023):
forward hooks keep the input of each layer, one backward pass gives the gradient of each layer's output, and both
together give the norm of each unit's gradient and then the weighted sum of all. The ordinary gradient of the weights,
which a private step has no use for, is never computed. Where the product of the two is small (Li et al. 2022, "mixed
ghost norm") the gradients themselves are made, else only the Gram matrices of their two factors.

Legend: B units, V views of each, T positions (1 for a plain linear layer), d inputs, p outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional

from shared.errors import UserError

Sums = Callable[[Tensor], Tensor]  # weights of the units (B,) -> the weighted sum of their gradients, of a parameter


@dataclass(frozen=True)
class Share:
    """Of one layer: squares (B,) of the norms of its part of each unit's gradient, and its parameters' sums."""

    squares: Tensor
    sums: list[tuple[Tensor, Sums]]


@dataclass(frozen=True)
class Kept:
    """Of one call of a layer: what it was fed, how often that had been changed, and where its output's gradient is."""

    inputs: Tensor
    version: int
    output: GradientEdge


class Book:
    """Keeps what a forward pass of `model` fed each of its layers, until `clipped_sum` closes the account.

    Raises UserError, naming the layer, for one that trains and is not Linear, Conv2d, GroupNorm, LayerNorm or
    Embedding; through which units would see each other or leave traces behind, whether it trains or not (BatchNorm);
    that shares its weights with another, or makes them of others; or whose weights have 16 bits.
    """

    def __init__(self, model: nn.Module) -> None:
        self._kept: dict[nn.Module, Kept] = {}
        self.model = model
        layers = {}
        owners: dict[nn.Parameter, str] = {}
        for name, layer in model.named_modules():
            own = [parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad]
            if reason := _refusal(layer, own, owners):
                raise UserError(f"{name or 'the model'} is a {type(layer).__name__}, {reason}")
            owners |= dict.fromkeys(own, name)
            if own:
                layers[layer] = name or "the model"
        self._layers = layers
        self._frozen = [(name, part) for name, part in model.named_parameters() if not part.requires_grad]
        self._handles = [layer.register_forward_hook(self._keep) for layer in layers]

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not torch.is_grad_enabled() or not layer.training:
            return
        if layer in self._kept:
            raise ValueError(f"{type(layer).__name__} was called twice before its sum was taken")
        # The edge, not the tensor: an activation in place would make that its own output, and leave itself out.
        self._kept[layer] = Kept(inputs[0].detach(), inputs[0]._version, get_gradient_edge(output))

    def clipped_sum(self, losses: Tensor, bound: float, views: int = 1) -> Tensor:
        """Write the sum over units of their gradients, each scaled to a norm of at most `bound`, into `.grad`.

        losses: (B * V,) of the views, those of a unit in a row; the gradient of a unit is that of the mean of its
        views. bound: above 0. Returns the norms (B,) before clipping. An empty batch gives sums of zero. Raises
        ValueError when no layer was called since the last sum, with rows that are not the views, and for what would
        train on noise alone: a layer in evaluation mode, or that trains since later than the book was opened.
        """
        self._refuse_what_is_not_booked()
        if not len(losses):
            return self._nothing(losses)
        if not self._kept:
            raise ValueError("no layer that trains was called in training mode since the last sum")
        for layer, kept in self._kept.items():
            if len(kept.inputs) != len(losses):
                raise ValueError(
                    "a layer saw another number of rows than there are losses: rows must be units, in order"
                )
            if kept.inputs._version != kept.version:
                raise ValueError(f"what {self._layers[layer]} was fed was changed in place after it")
        found = torch.autograd.grad(
            losses.sum() / views, [kept.output for kept in self._kept.values()], allow_unused=True
        )
        with torch.no_grad(), torch.autocast(losses.device.type, enabled=False):
            # A layer whose output had no part in the losses is as one that was not called.
            booked = [(*entry, part) for entry, part in zip(self._kept.items(), found, strict=True) if part is not None]
            layers = [layer for layer, _, _ in booked]
            inputs = [_wide(kept.inputs) for _, kept, _ in booked]
            gradients = [_wide(part) for *_, part in booked]
            self._kept.clear()
            norms, shares = _shares(layers, inputs, gradients, views)
            sound = torch.isfinite(norms)
            if not sound.all():
                # A unit whose gradient is not a number counts as zero: it would spoil the sum, and so tell it is there.
                rows = sound.repeat_interleave(views)
                inputs, gradients = ([_only(rows, part) for part in parts] for parts in (inputs, gradients))
                norms, shares = _shares(layers, inputs, gradients, views)
            weights = (bound / norms.clamp_min(1e-12)).clamp_max(1.0)
            self._write(
                {
                    parameter: _in_shape(weighted(weights), parameter)
                    for share in shares
                    for parameter, weighted in share.sums
                }
            )
        return norms

    def _refuse_what_is_not_booked(self) -> None:
        for layer, name in self._layers.items():
            if not layer.training and any(part.requires_grad for part in layer.parameters(recurse=False)):
                raise ValueError(f"{name} is in evaluation mode: call train(), or freeze what is not to train")
        for name, parameter in self._frozen:
            if parameter.requires_grad:
                raise ValueError(f"{name} did not train when the model was made private: unfreeze it before")

    def _nothing(self, losses: Tensor) -> Tensor:
        self._kept.clear()
        self._write({})
        return losses.detach()

    def _write(self, sums: dict[Tensor, Tensor]) -> None:
        """Into `.grad`, with zeros for what was not called."""
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.grad = sums[parameter] if parameter in sums else torch.zeros_like(parameter)

    def close(self) -> None:
        """Take the hooks off the model and forget what they kept."""
        for handle in self._handles:
            handle.remove()
        self._kept.clear()


def _shares(
    layers: list[nn.Module], inputs: Sequence[Tensor], gradients: Sequence[Tensor], views: int
) -> tuple[Tensor, list[Share]]:
    """Norms (B,) of the units' gradients, and each layer's share."""
    shares = [
        SHARES[type(layer)](layer, kept, gradient, views)
        for layer, kept, gradient in zip(layers, inputs, gradients, strict=True)
    ]
    return torch.stack([share.squares for share in shares]).sum(0).sqrt(), shares


def _wide(part: Tensor) -> Tensor:
    """At least float32, also under autocast: a norm of 16-bit numbers could be short by more than the noise hides."""
    return part.float() if part.dtype in (torch.bfloat16, torch.float16) else part


def _in_shape(sums: Tensor, parameter: Tensor) -> Tensor:
    if parameter.dim() < 4:
        return sums.view_as(parameter)
    # A filter's sum comes as (out, rows, columns, in), as patches do.
    out, channels, height, width = parameter.shape
    return sums.view(out, height, width, channels).permute(0, 3, 1, 2).contiguous()


def _only(rows: Tensor, part: Tensor) -> Tensor:
    """part: (B * V, ...), with zeros in all but `rows` (B * V,)."""
    return torch.where(rows.view(-1, *[1] * (part.dim() - 1)), part, torch.zeros_like(part))


def _linear(layer: nn.Linear, inputs: Tensor, gradient: Tensor, views: int) -> Share:
    if views == 1 and inputs.dim() == 2:
        return _one_position(layer, inputs, gradient)
    rows = (part.unflatten(0, (-1, views)).flatten(1, -2) for part in (inputs, gradient))
    return _many_positions(layer, *rows)


def _conv(layer: nn.Conv2d, inputs: Tensor, gradient: Tensor, views: int) -> Share:
    rows = [_units(part, views) for part in (_patches(layer, inputs), gradient.flatten(2).mT)]
    return _many_positions(layer, *rows)


def _patches(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """inputs: (n, channels, h, w) -> (n, T, d), what the filter sees at each place: rows, columns, then channels.

    One strided copy of runs as long as a row of the filter, which on a CPU is faster than functional.unfold.
    """
    down, right = (int(side) for side in layer.padding)  # Book has refused padding in words
    kernel_h, kernel_w = layer.kernel_size
    padded = functional.pad(inputs, [right, right, down, down]).permute(0, 2, 3, 1).contiguous()
    count, height, width, channels = padded.shape
    high = (height - layer.dilation[0] * (kernel_h - 1) - 1) // layer.stride[0] + 1
    wide = (width - layer.dilation[1] * (kernel_w - 1) - 1) // layer.stride[1] + 1
    per_unit, per_row, per_column, per_channel = padded.stride()
    windows = padded.as_strided(
        (count, high, wide, kernel_h, kernel_w, channels),
        (
            per_unit,
            layer.stride[0] * per_row,
            layer.stride[1] * per_column,
            layer.dilation[0] * per_row,
            layer.dilation[1] * per_column,
            per_channel,
        ),
    )
    return windows.reshape(count, high * wide, -1)


def _one_position(layer: nn.Linear, inputs_bd: Tensor, gradient_bp: Tensor) -> Share:
    own = _squares(gradient_bp)
    squares = torch.zeros_like(own)
    sums: list[tuple[Tensor, Sums]] = []
    if layer.weight.requires_grad:
        # The gradient of a unit is an outer product: its norm is the product of two norms.
        squares = own * _squares(inputs_bd)
        sums.append((layer.weight, lambda weights: (gradient_bp * weights[:, None]).T @ inputs_bd))
    if _trains(layer.bias):
        squares = squares + own
        sums.append((layer.bias, lambda weights: weights @ gradient_bp))
    return Share(squares, sums)


def _many_positions(layer: nn.Linear | nn.Conv2d, inputs_btd: Tensor, gradient_btp: Tensor) -> Share:
    (_, positions, width), out = inputs_btd.shape, gradient_btp.shape[-1]
    squares = gradient_btp.new_zeros(len(gradient_btp))
    sums: list[tuple[Tensor, Sums]] = []
    if layer.weight.requires_grad and 2 * positions**2 < width * out:
        squares = _not_less(inputs_btd @ inputs_btd.mT, gradient_btp @ gradient_btp.mT, width + out)
        sums.append(
            (
                layer.weight,
                lambda weights: (gradient_btp * weights[:, None, None]).flatten(0, 1).T @ inputs_btd.flatten(0, 1),
            )
        )
    elif layer.weight.requires_grad:
        each_bpd = (gradient_btp.mT @ inputs_btd).flatten(1)
        squares = _squares(each_bpd)
        sums.append((layer.weight, lambda weights: weights @ each_bpd))
    if _trains(layer.bias):
        bias_bp = gradient_btp.sum(1)
        squares = squares + _squares(bias_bp)
        sums.append((layer.bias, lambda weights: weights @ bias_bp))
    return Share(squares, sums)


def _group_norm(layer: nn.GroupNorm, inputs: Tensor, gradient: Tensor, views: int) -> Share:
    normal = functional.group_norm(inputs, layer.num_groups, None, None, layer.eps)
    return _scaled(layer, *(_units(part.flatten(2).mT, views) for part in (normal, gradient)))


def _layer_norm(layer: nn.LayerNorm, inputs: Tensor, gradient: Tensor, views: int) -> Share:
    normal = functional.layer_norm(inputs, layer.normalized_shape, None, None, layer.eps)
    width = len(layer.normalized_shape)
    rows = [
        part.flatten(part.dim() - width).reshape(len(part), -1, layer.weight.numel()) for part in (normal, gradient)
    ]
    return _scaled(layer, *(_units(part, views) for part in rows))


def _scaled(layer: nn.GroupNorm | nn.LayerNorm, normal_btp: Tensor, gradient_btp: Tensor) -> Share:
    squares = gradient_btp.new_zeros(len(gradient_btp))
    sums: list[tuple[Tensor, Sums]] = []
    for parameter, each in ((layer.weight, normal_btp * gradient_btp), (layer.bias, gradient_btp)):
        if _trains(parameter):
            each_bp = each.sum(1)
            squares = squares + _squares(each_bp)
            sums.append((parameter, partial(torch.matmul, other=each_bp)))
    return Share(squares, sums)


def _embedding(layer: nn.Embedding, inputs: Tensor, gradient: Tensor, views: int) -> Share:
    places_bt = _units(inputs.reshape(len(inputs), -1), views)
    gradient_btp = _units(gradient.reshape(len(gradient), -1, gradient.shape[-1]), views)
    if layer.padding_idx is not None:
        gradient_btp = gradient_btp * (places_bt != layer.padding_idx)[..., None]
    same = (places_bt[:, :, None] == places_bt[:, None, :]).to(gradient_btp.dtype)
    squares = _not_less(same, gradient_btp @ gradient_btp.mT, gradient_btp.shape[-1])

    def weighted(weights: Tensor) -> Tensor:
        rows = (gradient_btp * weights[:, None, None]).flatten(0, 1)
        return torch.zeros_like(layer.weight).index_add_(0, places_bt.flatten(), rows)

    return Share(squares, [(layer.weight, weighted)])


def _not_less(inputs_btt: Tensor, gradients_btt: Tensor, terms: int) -> Tensor:
    """Gram matrices of both factors -> (B,) squares of the norms, by no rounding less than they are.

    Where positions cancel, the sum is small and the rounding of its parts is not: a unit could pass as short and be
    added whole. So all that rounding may have taken is added: `terms` are the products in an entry of both matrices.
    """
    unit = 2.0**-11 if _is_coarse(inputs_btt) else torch.finfo(inputs_btt.dtype).eps / 2
    lengths = (inputs_btt.diagonal(dim1=1, dim2=2) * gradients_btt.diagonal(dim1=1, dim2=2)).clamp_min(0).sqrt()
    # Summed in float64, so that the number of positions does not add to the rounding.
    squares = (inputs_btt * gradients_btt).sum((1, 2), dtype=torch.float64).clamp_min(0)
    return (squares + (terms + 2) * unit * lengths.sum(1, dtype=torch.float64).square()).to(inputs_btt.dtype)


def _is_coarse(part: Tensor) -> bool:
    """Whether products of it are rounded to 11 bits or fewer, which a GPU does when told that float32 is not needed."""
    return part.is_cuda and part.dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest"


def _squares(rows: Tensor) -> Tensor:
    """(B, n) -> (B,): their squared lengths, without the copy that squaring first would make."""
    return torch.linalg.vector_norm(rows, dim=1).square_()


def _units(rows: Tensor, views: int) -> Tensor:
    """(B * V, T, ...) -> (B, V * T, ...): what the views of a unit hold, one after the other."""
    return rows.unflatten(0, (-1, views)).flatten(1, 2)


def _trains(parameter: Tensor | None) -> TypeGuard[Tensor]:
    return parameter is not None and parameter.requires_grad


def _refusal(layer: nn.Module, own: list[nn.Parameter], owners: dict[nn.Parameter, str]) -> str:
    """Why a layer cannot be trained privately, or nothing. own: its weights that train; owners: of all so far."""
    if isinstance(layer, nn.modules.batchnorm._BatchNorm) or getattr(layer, "track_running_stats", False):
        return "through which units see each other; put GroupNorm in its place (opacus: ModuleValidator.fix)"
    if isinstance(layer, nn.Embedding) and layer.max_norm is not None:
        return "whose max_norm changes the rows that occur, without noise; leave it out"
    if not own:
        return ""
    if type(layer) not in SHARES:
        return f"which cannot be trained privately here; known: {', '.join(known.__name__ for known in SHARES)}"
    if isinstance(layer, nn.Conv2d) and (
        layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str)
    ):
        return "with groups, or with padding that is named in words or not of zeros, which is not known here"
    if isinstance(layer, nn.Embedding) and (layer.sparse or layer.scale_grad_by_freq):
        return "with sparse or scale_grad_by_freq, which is not known here"
    if odd := [name for name, _ in layer.named_parameters(recurse=False) if name not in ("weight", "bias")]:
        return f"which makes its weights of {', '.join(odd)}; give it weights of its own"
    if shared := [owners[parameter] for parameter in own if parameter in owners]:
        return f"which shares its weights with {shared[0]}; give it weights of its own"
    if any(parameter.dtype in (torch.bfloat16, torch.float16) for parameter in own):
        return (
            "with weights of 16 bits, in which a sum rounds by more than the noise hides; keep float32 and use autocast"
        )
    return ""


SHARES: dict[type[nn.Module], Callable[..., Share]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.Embedding: _embedding,
}
