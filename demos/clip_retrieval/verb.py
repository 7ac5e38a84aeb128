"""`trendlab search`: words or a picture in, pictures out. Light: the command line imports it to know its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Words = Annotated[str | None, typer.Argument(metavar="[WORDS]", help='What to look for, such as "a red apple".')]
Image = Annotated[Path | None, typer.Option("--image", help="Look for pictures like this one instead.")]
Count = Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="How many answers.")]
Corpus = Annotated[
    str | None,
    typer.Option("--corpus", help="Your pictures: a folder, webdataset tars.", show_default="the embedded OpenMoji"),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Look again for pictures that are new, changed or gone.")]
Links = Annotated[bool, typer.Option("--follow-links", help="Read what links in the folder lead to; looks again.")]
Where = Annotated[str | None, typer.Option("--where", help="""Only those, in SQL: "subgroup = 'food fruit'".""")]
Model = Annotated[str, typer.Option("--model", help="shipped, local-dir:FOLDER or pretrained:ARCHITECTURE/TAG.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Engine = Annotated[str, typer.Option("--engine", help="Embed your pictures with processes, serial or ray.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Number of workers.", show_default="all cores")]
Sheet = Annotated[
    Path | None, typer.Option("--sheet", help="The PNG with the answers.", show_default="runs/search/...")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="The answers only.")]


def search(
    words: Words = None,
    image: Image = None,
    k: Count = 8,
    corpus: Corpus = None,
    where: Where = None,
    refresh: Refresh = False,
    follow_links: Links = False,
    model: Model = "shipped",
    device: Device = "auto",
    engine: Engine = "processes",
    workers: Workers = None,
    sheet: Sheet = None,
    quiet: Quiet = False,
) -> None:
    """Search pictures with words or with a picture.

    trendlab search "a red apple" --k 8
    trendlab search --image x.png --corpus ~/Pictures
    """
    from demos.clip_retrieval.answer import answer

    answer(words, image, k, corpus, where, refresh, follow_links, model, device, engine, workers, sheet, quiet)
