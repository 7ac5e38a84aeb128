"""What is measured, chapter by chapter."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.coevolution.data import used
from shared.chapter import put_together
from shared.result import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demos.coevolution.config import ChapterName, CoevolutionConfig
    from demos.coevolution.training.trained import Trained
    from shared.chapter import Chapter
    from shared.demo import Run
    from shared.result import Result

CHAPTERS = {
    "texts": Part(
        title="The texts",
        intro=(
            "Sentences that people rated: is a text positive or negative? Films are home, where models are trained; "
            "the other scenes arrive later. Beside them stands how often one person agrees with all others."
        ),
    ),
    "down": Part(
        title="From the large model to the small ones",
        intro=(
            "The large model learns from few labels and answers for many texts without; two of its layers, and a model "
            "of word vectors, learn from its answers."
        ),
    ),
    "deploy": Part(
        title="Onto the device",
        intro=(
            "The small models as files that ONNX Runtime opens, in 32 and in 8 bits, beside the large model: do they "
            "still say the same, how big are they, and how long does one text take on one thread?"
        ),
    ),
    "cascade": Part(
        title="Who answers",
        intro=(
            "The small model answers where it is sure; what it is not sure of goes up to the large one. How few texts "
            "have to, for answers as good as the large model's?"
        ),
    ),
    "up": Part(
        title="From the small models to the large one",
        intro=(
            "Texts of new scenes stream past the device. A few of each round may be sent up, with what one "
            "person thinks of them; the large model learns from these, and teaches the small one anew."
        ),
    ),
    "weak": Part(
        title="From weak to strong",
        intro=(
            "And without any label in the cloud? Devices adapt to their scenes, and their answers teach the large "
            "model, which is stronger than they are."
        ),
    ),
    "link": Part(
        title="Over a link",
        intro=(
            "The cloud and the device as two processes, with a link of some rate between them: how long does an answer "
            "take, and how many bytes?"
        ),
    ),
    "participants": Part(
        title="More who take part",
        intro=(
            "Several devices, each with a scene of its own, send up what they may: does each gain from the others, and "
            "more than by averaging what they learn alone?"
        ),
    ),
    "pictures": Part(
        title="The same loop on pictures",
        intro=(
            "Nothing of the loop is about texts. Here a network of timm and one of 106 thousand numbers read digits of "
            "MNIST; the new scenes are simulated: turned, in negative, small. So is the person, who is sometimes wrong."
        ),
    ),
}


def evaluate(config: CoevolutionConfig, run: Run) -> Result:
    """All chapters that are asked for."""
    from demos.coevolution.models.mpnet import PARTS
    from demos.coevolution.training.trained import Trained

    check_streams(config)
    with tempfile.TemporaryDirectory(prefix="trendlab-") as folder:
        trained = Trained(config, run, Path(folder))
        found = put_together([(CHAPTERS[name], _chapter(name, trained)) for name in config.chapters])
    if config.models.large == "MPNet":
        return found.model_copy(update={"data": [*found.data, *used(*PARTS)]})
    return found


def check_streams(config: CoevolutionConfig) -> None:
    """Raises UserError when a scene has fewer texts than a stream asks for: before anything is trained."""
    from demos.coevolution.participants.measure import shares_of
    from demos.coevolution.training.jobs import unlabelled
    from demos.coevolution.up.stream import NEW, rounds

    up, weak, many = config.up, config.weak, config.participants
    asked: dict[ChapterName, list[tuple[int, int, Mapping[Any, float]]]] = {
        "up": [(up.rounds, up.stream, up.shares)],
        "weak": [(1, weak.texts, {scene: 1 / len(NEW) for scene in NEW})],
        "participants": [(many.rounds, count * many.stream, shares_of(count)) for count in many.devices],
    }
    for name in set(asked) & set(config.chapters):
        for count, size, shares in asked[name]:
            rounds(config.seed, count, size, shares, unlabelled(config.models, config.seed))


def _chapter(name: str, trained: Trained) -> Chapter:
    # Each brings packages of its own, which the others have no need to wait for.
    if name == "texts":
        from demos.coevolution.scenes.report import scenes

        return scenes(trained.run)
    if name == "down":
        from demos.coevolution.down.report import down

        return down(trained)
    if name == "deploy":
        from demos.coevolution.deploy.report import deploy

        return deploy(trained)
    if name == "cascade":
        from demos.coevolution.cascade.report import cascade

        return cascade(trained)
    if name == "up":
        from demos.coevolution.up.report import up

        return up(trained)
    if name == "weak":
        from demos.coevolution.weak.report import weak

        return weak(trained)
    if name == "link":
        from demos.coevolution.link.report import link

        return link(trained)
    if name == "participants":
        from demos.coevolution.participants.report import participants

        return participants(trained)
    if name == "pictures":
        from demos.coevolution.pictures.report import pictures

        return pictures(trained)
    raise ValueError(f"no such chapter: {name}")
