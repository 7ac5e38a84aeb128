"""`trendlab generate`: words in, pictures out. Light: the command line imports it to know its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Words = Annotated[str, typer.Argument(metavar="WORDS", help='What to draw, such as "a red apple".')]
Count = Annotated[int, typer.Option("--n", "-n", min=1, max=10_000, help="How many pictures.")]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, max=1000, help="Of the sampler.", show_default="the student's own, else 20, pretrained 30"
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the first picture; the others count on from it.")]
Guidance = Annotated[
    float | None,
    typer.Option("--guidance", min=1, max=50, help="Weight of the words.", show_default="the model's own"),
]
Student = Annotated[
    bool | None,
    typer.Option(
        "--student/--teacher", help="Who draws.", show_default="the student, where there is one and steps are few"
    ),
]
SamplerName = Annotated[
    str | None,
    typer.Option("--sampler", help="ddim, dpm++, dpm++karras, dpm++sde, dpm++sdekarras, euler, heun or lcm."),
]
ClipMove = Annotated[
    float,
    typer.Option("--clip", min=0, max=2, help="How strongly CLIP pulls it towards the words, such as 0.4; pictograms."),
]
Negative = Annotated[str, typer.Option("--negative", help="Words to keep away from; pretrained models.")]
Model = Annotated[str, typer.Option("--model", help="shipped, local-dir:FOLDER or pretrained:NAME-OR-FOLDER.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16; pretrained models.")]
Image = Annotated[Path | None, typer.Option("--image", help="Start from this picture; pretrained models.")]
Mask = Annotated[Path | None, typer.Option("--mask", help="Paint anew where this is white, within --image.")]
Strength = Annotated[
    float | None,
    typer.Option(
        "--strength", min=0.01, max=1, help="How much of --image is given up.", show_default="0.8, with --mask 1"
    ),
]
Size = Annotated[
    int | None, typer.Option("--size", min=8, max=4096, help="Side in pixels.", show_default="the model's own")
]
Slicing = Annotated[bool, typer.Option("--slicing", help="Less memory, more time: the attention in slices.")]
Tiling = Annotated[bool, typer.Option("--tiling", help="Less memory, more time: the decoder in tiles.")]
Batch = Annotated[int | None, typer.Option("--batch", min=1, max=1024, help="Pictures drawn together.")]
Out = Annotated[Path | None, typer.Option("--out", help="Where runs go.", show_default="TRENDLAB_RUNS or ./runs")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="The path of the sheet, and little else.")]


def generate(
    words: Words,
    n: Count = 4,
    steps: Steps = None,
    seed: Seed = 0,
    guidance: Guidance = None,
    student: Student = None,
    sampler: SamplerName = None,
    clip: ClipMove = 0.0,
    negative: Negative = "",
    model: Model = "shipped",
    device: Device = "auto",
    dtype: Dtype = "auto",
    image: Image = None,
    mask: Mask = None,
    strength: Strength = None,
    size: Size = None,
    slicing: Slicing = False,
    tiling: Tiling = False,
    batch: Batch = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Draw pictures of words, each a PNG that says how it was made, and a contact sheet.

    trendlab generate "a woman astronaut with dark skin tone" --n 8
    trendlab generate "a red apple" --steps 8 --clip 0.4
    trendlab generate "a red apple" --model pretrained:FOLDER --steps 30
    """
    from demos.diffusion.generate import Options, generate

    generate(
        Options(
            words=words,
            count=n,
            steps=steps,
            seed=seed,
            guidance=guidance,
            student=student,
            sampler=sampler,
            clip=clip,
            negative=negative,
            model=model,
            device=device,
            dtype=dtype,
            image=image,
            mask=mask,
            strength=strength,
            size=size,
            slicing=slicing,
            tiling=tiling,
            batch=batch,
            out=out,
            quiet=quiet,
        )
    )
