"""The shipped airports load; a wrong entry of one's own is one line with file and rule."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from demos.stands.airport import NEVER, SIZE_CODES, Airport, load_airport, neighbours, shadow_pairs, size_rank
from demos.stands.data import Flights
from shared.errors import UserError
from shared.yaml12 import parse
from tests.conftest import ROOT

STANDS = """\
stands:
  - {id: A1, terminal: A, code: C, contact: true}
  - {id: A2, terminal: A, code: D, contact: true}
  - {id: R1, terminal: R, code: E, contact: false}
"""
HEAD = 'name: Mine\niata: TST\nsource: "made up"\n'


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def refusal(name: str) -> str:
    with pytest.raises(UserError) as error:
        load_airport(name)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["ewr", "jfk", "lga"])
def test_the_shipped_models_fit_the_data(name: str, flights: Flights) -> None:
    """Every airline of the airport is listed, every aircraft fits a stand, and a shadow can be cast."""
    airport = load_airport(name)
    assert airport.iata == name.upper()
    here = flights.departures[flights.departures["origin"] == airport.iata]
    assert set(airport.preferences) <= set(flights.departures["carrier"])
    assert set(here["carrier"]) == set(airport.preferences) & set(here["carrier"])
    largest = max(size_rank(stand.code) for stand in airport.stands)
    assert max(size_rank(code) for code in here["code"].unique()) <= largest
    codes = {stand.id: stand.code for stand in airport.stands}
    assert airport.shadows
    assert all(size_rank(shadow.code) <= size_rank(codes[shadow.stand]) for shadow in airport.shadows)
    assert any(not stand.contact for stand in airport.stands)


def test_a_file_of_ones_own_is_read_as_written(tmp_path: Path) -> None:
    more = "shadows: [{stand: A2, blocks: A1, code: D}]\npreferences: {XX: [A]}\n"
    shut = 'closures: [{stand: R1, from: "09:00", to: "13:30", reason: works}]\n'
    airport = load_airport(write(tmp_path, HEAD + STANDS + more + shut))
    assert [stand.id for stand in airport.stands] == ["A1", "A2", "R1"]
    assert [stand.contact for stand in airport.stands] == [True, True, False]
    assert (airport.closures[0].start, airport.closures[0].end) == ("09:00", "13:30")
    assert airport.preferences == {"XX": ("A",)}


def test_the_wide_position_of_a_mars_stand_takes_both_halves_and_a_half_takes_it(tmp_path: Path) -> None:
    """Whatever the size: an A on the wide position is in the way of both halves, and the halves of each other never."""
    airport = load_airport(write(tmp_path, HEAD + STANDS + "mars: [{wide: R1, narrow: [A1, A2]}]\n"))
    assert sorted(shadow_pairs(airport)) == [(0, 2, NEVER, 0), (1, 2, NEVER, 0)]


def test_neighbours_are_next_to_each_other_in_a_row(tmp_path: Path) -> None:
    beside = neighbours(load_airport(write(tmp_path, HEAD + STANDS + "rows: [[A2, A1, R1]]\n")))
    assert beside.tolist() == [[False, True, True], [True, False, False], [True, False, False]]


def test_the_example_of_the_card_is_a_valid_airport() -> None:
    """The entries that no shipped model has, as the card shows them."""
    card = (ROOT / "demos" / "stands" / "README.md").read_text()
    airport = Airport.model_validate(parse(card.split("```yaml\n")[1].split("```")[0], "README.md"))
    assert airport.mars
    assert airport.rows
    assert airport.night_parking


def test_closure_times_need_no_quotes(tmp_path: Path) -> None:
    """In YAML 1.1 an unquoted 09:30 is the number 570."""
    text = HEAD + STANDS + "closures: [{stand: R1, from: 09:30, to: 13:00}]\n"
    assert load_airport(write(tmp_path, text)).closures[0].start == "09:30"


WRONG = [
    ("shadows: [{stand: A9, blocks: A1, code: D}]", "shadow names the unknown stand 'A9'; known: A1, A2, R1"),
    ("shadows: [{stand: A2, blocks: B1, code: D}]", "shadow names the unknown stand 'B1'"),
    ("shadows: [{stand: A2, blocks: A2, code: D}]", "stand 'A2' cannot shadow itself"),
    ("shadows: [{stand: A2, blocks: A1, code: Z}]", "shadows.0.code"),
    ('closures: [{stand: A3, from: "09:00", to: "10:00"}]', "closure names the unknown stand 'A3'; known: A1, A2, R1"),
    ('closures: [{stand: A1, from: "10:00", to: "10:00"}]', "closure of 'A1' has no length"),
    ('closures: [{stand: A1, from: "9 am", to: "10:00"}]', "closures.0.from"),
    ("mars: [{wide: R1, narrow: [A1, A9]}]", "mars names the unknown stand 'A9'"),
    ("mars: [{wide: R1, narrow: [A1, A1]}]", "stand 'A1' is twice in mars"),
    ("mars: [{wide: A2, narrow: [A1, R1]}]", "mars: 'R1' must be of a smaller code than its wide position 'A2'"),
    ("mars: [{wide: R1, narrow: [A1]}]", "mars.0.narrow"),
    ("rows: [[A1, B7]]", "row names the unknown stand 'B7'"),
    ("rows: [[A1, A2, A1]]", "stand 'A1' is twice in one row"),
    ("night_parking: [A7]", "night_parking names the unknown stand 'A7'"),
    ("preferences: {XX: [A, T9]}", "preference of XX names the unknown terminal 'T9'"),
    ("preference: {XX: [A]}", "preference"),
]


@pytest.mark.parametrize(("entry", "text"), WRONG)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, text: str) -> None:
    path = write(tmp_path, HEAD + STANDS + entry + "\n")
    line = refusal(path)
    assert line.startswith(f"{path}: ")
    assert text in line


def test_a_stand_listed_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + STANDS + "  - {id: A1, terminal: A, code: B, contact: true}\n")
    assert "stand 'A1' is listed twice" in refusal(path)


def test_a_stand_of_unknown_size_is_named_with_its_place(tmp_path: Path) -> None:
    assert "stands.1.code" in refusal(write(tmp_path, HEAD + STANDS.replace("code: D", "code: G")))


def test_an_airport_needs_a_stand(tmp_path: Path) -> None:
    assert "stands" in refusal(write(tmp_path, HEAD + "stands: []\n"))


def test_an_unknown_model_comes_with_the_nearest_name() -> None:
    assert 'did you mean "ewr"' in refusal("ewrr")


def test_text_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    for text in ("- A1\n- A2\n", "name: [", ""):
        assert "mine.yaml" in refusal(write(tmp_path, text))


def test_size_ranks_follow_the_wingspan() -> None:
    assert pd.Series([size_rank(code) for code in SIZE_CODES]).tolist() == [0, 1, 2, 3, 4, 5]
