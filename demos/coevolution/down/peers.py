"""What is learned without a large model of one's own, or with another's losses."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demos.coevolution.data import texts
from demos.coevolution.splits import frozen, labelled_at_home
from demos.coevolution.training.jobs import everything, teachers_answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demos.coevolution.config import ModelsSection
    from demos.coevolution.training.jobs import Scores

STATIC_WIDTH = 256  # model2vec's own choice
STRENGTHS = {"tf-idf": (1.0, 3.0, 10.0, 30.0), "static": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}  # of logistic regression


@dataclass(frozen=True)
class Plain:
    """TF-IDF of words and pairs of words, and logistic regression, on the labelled texts of a seed."""

    seed: int
    labelled: int
    test: int | None


@dataclass(frozen=True)
class Static:
    """The vectors of model2vec, from MiniLM as it was published, and logistic regression, on those of each seed."""

    seeds: tuple[int, ...]
    labelled: int
    test: int | None


@dataclass(frozen=True)
class Taught:
    """TF-IDF and logistic regression on all that a student learns from, as the large model answered it; its answers
    lie in `folder`."""

    seed: int
    models: ModelsSection
    folder: Path


def taught(job: Taught) -> Scores:
    """Accuracy on the test of each scene, 0 to 1."""
    places = everything(job.models, job.seed)
    said = teachers_answers(job.folder, job.seed)[0].of(places).argmax(1).tolist()
    return _judged(fitted_plain([texts()[place].text for place in places], said), job.models.test)


def plain(job: Plain) -> Scores:
    """Accuracy on the test of each scene, 0 to 1; how strongly it is held back is chosen in five folds."""
    known = [texts()[place] for place in labelled_at_home(job.seed, job.labelled)[0]]
    return _judged(fitted_plain([text.text for text in known], [text.label for text in known]), job.test)


def fitted_plain(known: list[str], labels: Sequence[int | None]) -> Any:
    """TF-IDF and logistic regression on texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[^\s]+")
    return _searched(make_pipeline(words, _regression()), "tf-idf", known, labels)


def static(job: Static) -> list[Scores]:
    """Accuracy on the test of each scene, 0 to 1, of each seed; likewise."""
    from model2vec.distill import distill_from_model
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from transformers import AutoModel, AutoTokenizer

    from shared.pretrained.minilm import minilm_folder
    from shared.pretrained.quiet import quiet_and_offline

    folder = str(minilm_folder())
    # It shows a bar of its own, terminal or not.
    with quiet_and_offline(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        vectors = distill_from_model(model, tokenizer, pca_dims=STATIC_WIDTH, device="cpu")
    known = {seed: labelled_at_home(seed, job.labelled)[0] for seed in job.seeds}
    places = {int(place) for part in (*known.values(), *frozen().test.values()) for place in part}
    encoded = dict(zip(places, vectors.encode([texts()[place].text for place in places]), strict=True))
    by_text = {texts()[place].text: row for place, row in encoded.items()}
    found = []
    for places_of_seed in known.values():
        given = [texts()[place] for place in places_of_seed]
        look_up = FunctionTransformer(lambda asked: [by_text[text] for text in asked])
        pipeline = make_pipeline(look_up, StandardScaler(), _regression())
        fitted = _searched(pipeline, "static", [text.text for text in given], [text.label for text in given])
        found.append(_judged(fitted, job.test))
    return found


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _searched(pipeline: Any, kind: str, known: list[str], labels: Sequence[int | None]) -> Any:
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(pipeline, {"logisticregression__C": STRENGTHS[kind]}, cv=5).fit(known, labels)


def _judged(fitted: Any, most: int | None) -> Scores:
    asked = {scene: [texts()[place] for place in places[:most]] for scene, places in frozen().test.items()}
    return {
        str(scene): float(fitted.score([text.text for text in given], [text.label for text in given]))
        for scene, given in asked.items()
    }
