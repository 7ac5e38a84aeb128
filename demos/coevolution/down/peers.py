"""What is learned from the labels without any large model."""

from __future__ import annotations

from dataclasses import dataclass

from demos.coevolution.data import texts
from demos.coevolution.splits import frozen, labelled_at_home


@dataclass(frozen=True)
class Plain:
    """TF-IDF of words and pairs of words, and logistic regression, on the labelled texts of a seed."""

    seed: int
    labelled: int
    test: int | None


def plain(job: Plain) -> dict[str, float]:
    """Accuracy on the test of each scene, 0 to 1; how strongly it is held back is chosen in five folds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    known, _ = labelled_at_home(job.seed, job.labelled)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[^\s]+")
    regression = LogisticRegression(max_iter=1000)
    search = GridSearchCV(make_pipeline(words, regression), {"logisticregression__C": [1.0, 3.0, 10.0, 30.0]}, cv=5)
    search.fit([texts()[place].text for place in known], [texts()[place].label for place in known])
    asked = {scene: [texts()[place] for place in places[: job.test]] for scene, places in frozen().test.items()}
    return {
        str(scene): float(search.score([text.text for text in given], [text.label for text in given]))
        for scene, given in asked.items()
    }
