"""What the data are, and that nobody is judged on what he learned from."""

import itertools
from collections import Counter

import numpy as np
import pytest

from demos.coevolution.data import HOME, POLAR, SCENES, Text, texts
from demos.coevolution.scenes.ceiling import agreement
from demos.coevolution.splits import (
    CALIBRATION,
    TEST,
    by_document,
    first_labelled,
    frozen,
    kept,
    labelled_at_home,
    near_duplicates,
    normal,
)
from shared.seed import generator


def a_text(*ratings: int) -> Text:
    return Text("1", "film", "film 1", "a text", ratings)


def test_all_texts_are_read_with_the_ratings_of_their_readers() -> None:
    assert Counter(text.scene for text in texts()) == {"film": 10605, "product": 3708, "editorial": 5190, "tweet": 4200}
    assert all(15 <= len(text.ratings) <= 99 for text in texts())
    assert all(-4 <= rating <= 4 for text in texts() for rating in text.ratings)
    assert len({(text.scene, text.identity) for text in texts()}) == len(texts())
    assert not any(text.text.startswith("\ufeff") or "\t" in text.text for text in texts())
    assert len({text.document for text in texts() if text.scene == "editorial"}) == 498


def test_a_text_is_on_a_side_when_its_readers_are() -> None:
    assert a_text(4, 2, 0).label == 1
    assert a_text(-4, 1, 0).label == 0
    assert a_text(1, 0).mean == POLAR
    assert a_text(1, 0).label is None
    assert a_text(4, -4).label is None


def test_near_duplicates_are_found_whatever_their_case_and_signs() -> None:
    given = ["STUPID rain!! Especially the treadmill", "stupid rain. especially the treadmill...", "@anonymous great"]
    assert near_duplicates([*given, "What a great film it was"]) == [(0, 1)]
    # What is left of some is nothing: they are not alike for that.
    assert near_duplicates(["!!!", "???", "a word"]) == []


def test_no_text_is_in_two_parts_and_none_says_the_same_as_another() -> None:
    split = frozen()
    places = np.concatenate([*split.test.values(), *split.calibration.values(), *split.rest.values()])
    assert len(set(places.tolist())) == len(places)
    assert set(places.tolist()) <= set(kept().tolist())
    said = Counter(normal(texts()[place].text) for place in places)
    assert {text for text, count in said.items() if count > 1} <= {""}


@pytest.mark.slow
def test_no_near_duplicate_of_a_text_that_is_kept_is_kept() -> None:
    pairs = near_duplicates([text.text for text in texts()])
    assert len(pairs) > 500
    known = set(kept().tolist())
    assert not any(one in known and other in known for one, other in pairs)


def test_no_document_is_in_two_parts_and_what_judges_has_labels() -> None:
    split = frozen()
    for scene in SCENES:
        parts = [getattr(split, name)[scene] for name in ("test", "calibration", "rest")]
        documents = [{texts()[place].document for place in part} for part in parts]
        assert not documents[0] & documents[1]
        assert not (documents[0] | documents[1]) & documents[2]
        for part, count in zip(parts, (TEST[scene], CALIBRATION[scene]), strict=False):
            assert count <= len(part) <= count + 20
            assert all(texts()[place].label is not None for place in part)
            assert all(texts()[place].scene == scene for place in part)


def test_a_seed_draws_who_is_labelled_and_no_seed_draws_a_text_that_judges() -> None:
    known, others = labelled_at_home(0, 300)
    assert len(known) == 300
    assert all(texts()[place].label is not None for place in known)
    assert any(texts()[place].label is None for place in others)
    assert set(known.tolist()) | set(others.tolist()) <= set(frozen().rest[HOME].tolist())
    assert not set(known.tolist()) & set(others.tolist())
    assert set(known.tolist()) != set(labelled_at_home(1, 300)[0].tolist())
    assert known.tolist() == labelled_at_home(0, 300)[0].tolist()


def test_documents_stay_together() -> None:
    places = np.flatnonzero([text.scene == "editorial" for text in texts()])
    order = [texts()[place].document for place in by_document(places, generator(3))]
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes + 1 == len(set(order)) == 498
    with pytest.raises(ValueError, match="texts with a label, not 5000"):
        first_labelled(places, 5000)


def test_one_person_is_held_against_the_others_alone() -> None:
    # Of four, three are with the others; the one who is not is alone.
    assert agreement([a_text(2, 2, 2, -1)]) == (0.75, 0.0)
    # Who says neither is on no side.
    assert agreement([a_text(2, 2, 0, 2)]) == (0.75, 0.25)
    # Texts without a label are left out.
    assert agreement([a_text(2, 2), a_text(1, -1)]) == (1.0, 0.0)
