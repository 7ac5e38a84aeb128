"""The peers are trained on what our model is trained on, chosen on validation, and no worse than they should be."""

import numpy as np
import pytest

from demos.clip_retrieval.emoji.descriptors import squared_distances
from demos.clip_retrieval.judging import peers
from demos.clip_retrieval.judging.peer_features import features, normalised
from demos.clip_retrieval.judging.peers import Setting, choose, fit
from demos.clip_retrieval.judging.retrieval import Ranked, relevance
from shared.openmoji.families import identities
from shared.openmoji.records import captions, records
from shared.openmoji.splits import compositional_split, group_split
from shared.pretrained.minilm import MiniLM
from shared.seed import generator

SOME = np.flatnonzero([emoji.group == "food-drink" for emoji in records()])
# A minute of one core where the network's features are not in the cache yet.
KINDS = ["pixels", "hog", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("efficientnet", "both"))]


@pytest.fixture(scope="module")
def words() -> MiniLM:
    return MiniLM()


def reciprocal(peer: peers.Peer, rows: np.ndarray) -> float:
    texts = peer.texts([records()[row].name for row in rows])
    labels = identities()[rows]
    return float(Ranked.of(texts @ peer.images(rows).T, relevance(labels, labels)).reciprocal().mean())


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_rows_of_the_records_in_any_order(kind: peers.Features) -> None:
    # Skin tones are a file of their own; a minute of the network is not spent on them here.
    toned = compositional_split().held[:5] if kind in ("pixels", "hog") else SOME[:0]
    rows = np.concatenate([SOME[:20], toned])
    order = generator(0, "rows").permutation(len(rows))
    found = features(kind, rows)
    assert np.isfinite(found).all()
    assert (features(kind, rows[order]) == found[order]).all()
    if kind != "pixels":
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    # Nearest by its features is the picture itself.
    assert (squared_distances(found, found).argmin(1) == np.arange(len(rows))).all()


def test_a_row_of_zeros_stays() -> None:
    assert normalised(np.array([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(np.array([[0, 0], [0.6, 0.8]]))


@pytest.mark.parametrize("name", KINDS)
def test_a_peer_knows_its_training_pictures_and_beats_chance_on_others(name: peers.PeerName, words: MiniLM) -> None:
    train, others = SOME[::2], SOME[1::2]
    trained = fit(name, Setting(ridge=0.03), train, words)
    assert trained.images(others).shape == (len(others), 384)
    assert np.linalg.norm(trained.images(others), axis=1) == pytest.approx(1, abs=1e-4)
    assert reciprocal(trained, train) > 0.9
    labels = identities()[others]
    chance = Ranked.of(-np.eye(len(others)), relevance(labels, labels)).chance_reciprocal()
    assert reciprocal(trained, others) > 1.2 * chance


def test_the_setting_is_the_best_on_validation(words: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "GAMMAS", (0.01, 2.0))
    monkeypatch.setattr(peers, "RIDGES", (0.1, 100.0))
    train, validation = SOME[::2], SOME[1::2]
    chosen = choose("hog", train, validation, words)
    tried = [
        Setting(gamma=gamma, ridge=ridge, target=target, whitening=power)
        for gamma in peers.GAMMAS
        for ridge in peers.RIDGES
        for target in peers.TARGETS
        for power in peers.POWERS
    ]
    reached = {setting: reciprocal(fit("hog", setting, train, words), validation) for setting in tried}
    assert reached[chosen] == pytest.approx(max(reached.values()), abs=0.01)
    nearest = choose("pixels", train, validation, words)
    assert nearest.neighbours in peers.NEIGHBOURS


def test_whitening_is_that_of_the_training_captions_and_spreads_the_texts(words: MiniLM) -> None:
    train, others = SOME[::2], SOME[1::2]
    names = [records()[row].name for row in others]
    assert peers._space(train, 0.0, words) is words
    plain, mapped = words(names), peers._space(train, 0.5, words)(names)
    assert np.linalg.norm(mapped, axis=1) == pytest.approx(1, abs=1e-5)
    assert (mapped @ mapped.T).mean() < 0.5 * (plain @ plain.T).mean()
    assert not np.allclose(mapped, peers._space(others, 0.5, words)(names), atol=0.01)
    asked: list[str] = []

    def listening(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return words(texts)

    peers._space(train, 0.5, listening)
    assert set(asked) == {captions(records()[row], [kind])[0] for row in train for kind in ("name", "tags")}


def test_a_peer_never_sees_test_or_validation(words: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(peers, "choose", lambda name, train, validation, words: seen.append(train) or Setting())
    monkeypatch.setattr(peers, "fit", lambda name, setting, train, words: seen.append(train))
    split = group_split()
    peers.peer("hog", split, 1, words)
    forbidden = {*split.test(1).tolist(), *split.validation.tolist()}
    assert len(seen) == 2
    assert all(len(rows) > 1500 and not forbidden & set(rows.tolist()) for rows in seen)
    peers.compositional_peer("hog", words)
    parts = compositional_split()
    assert all(not set(rows.tolist()) & {*parts.held.tolist(), *parts.twins.tolist()} for rows in seen[2:])


def test_the_oracle_is_not_told_the_name() -> None:
    assert peers._other_words("red apple", ("apple", "fruit", "red", "ripe apple")) == "fruit, ripe apple"
    assert peers._other_words("ship", ("ship",)) == ""


def test_the_oracle_reads_words_alone(words: MiniLM) -> None:
    told = fit("oracle", Setting(), SOME[:0], words)
    rows = SOME[:30]
    assert told.named(rows) == pytest.approx(words([records()[row].name for row in rows]))
    assert reciprocal(told, rows) > 0.3
    assert "reference" in told.label
