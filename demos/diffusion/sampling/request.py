"""What `trendlab generate` is asked for, and who can paint it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shared.errors import UserError
from shared.pretrained.words import cleaned

if TYPE_CHECKING:
    from PIL import Image

    from demos.diffusion.config import Sampler


@dataclass(frozen=True)
class Request:
    """prompt: words; seeds: one for each picture; steps: of the sampler; guidance, sampler: None = the painter's own;
    side: of the pictures [pixels], None = the model's own; image: to start from; mask: white where it is painted anew;
    strength: how much of `image` is given up, above 0 to 1; batch: pictures painted together; clip: how far CLIP moves
    a picture at each step, as `ClipGuide` takes it, 0 = it does not."""

    prompt: str
    seeds: tuple[int, ...]
    steps: int
    guidance: float | None = None
    sampler: Sampler | None = None
    negative: str = ""
    side: int | None = None
    image: Path | None = None
    mask: Path | None = None
    strength: float = 0.8
    batch: int = 16
    clip: float = 0.0


class Painter(Protocol):
    """A model with all that turns a request into pictures. name: in words; identity: of its weights, hexadecimal."""

    name: str
    identity: str

    def check(self, request: Request) -> list[str]:
        """What the user should know of a request, a line each. Raises UserError for what cannot be painted."""

    def rounds(self, request: Request) -> int:
        """How often `paint` calls `advance`."""

    def evaluations(self, request: Request) -> int:
        """Of the network, for one picture; known when it is painted."""

    def settings(self, request: Request) -> dict[str, object]:
        """What was chosen where the request leaves the choice: guidance and sampler."""

    def paint(self, request: Request, advance: Callable[[], None]) -> Iterator[Image.Image]:
        """A picture for each seed in turn, as they come; none depends on the others."""


def prompt_of(words: str) -> str:
    """The prompt as models read it. Raises UserError when it has no words."""
    if not (found := cleaned(words)):
        raise UserError('the prompt has no words; try trendlab generate "a red apple"')
    return found


def doubts(prompt: str, tokens: list[int], unknown: int | None, most: int, knows: str) -> list[str]:
    """What of a prompt a model will not read, a line each.

    tokens: of the prompt, without those that mark its ends; unknown: the token for words that the model has none for;
    most: tokens that it reads; knows: what it has learned, for the user.
    """
    found = []
    if len(tokens) > most:
        found.append(f"the prompt has {len(tokens):,} tokens; the model reads the first {most}")
    lost = sum(token == unknown for token in tokens)
    if tokens and lost == len(tokens):
        found.append(f'the model knows none of the words of "{prompt[:60]}"; it has learned {knows}')
    elif lost:
        found.append(f"the model does not know {lost} of the {len(tokens)} tokens of the prompt")
    return found
