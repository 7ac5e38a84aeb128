"""The ledger under all that its users and its enemies may do."""

import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.private_training import verb
from demos.private_training.budget.accountant import Mechanism
from demos.private_training.trust import ledger as ledger_module
from demos.private_training.trust.ledger import EPSILON_PARTS, GENESIS, Ledger
from shared.errors import UserError
from tests.conftest import ROOT

PROCESSES = 16
# Reserves until it is refused, and says after each reservation that it has it.
SPENDER = """
import sys
from demos.private_training.trust.ledger import Ledger
from shared.errors import UserError
ledger = Ledger(sys.argv[1])
while True:
    try:
        reference = ledger.reserve(["JFK", "EWR"], 0.07, 1e-7, "hammer")
    except UserError as error:
        sys.exit(0 if "refused" in str(error) else str(error))
    print(reference, flush=True)
    if sys.argv[2] == "commit":
        ledger.commit(reference)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def granted(file: Path, epsilon: float = 3.0) -> Ledger:
    ledger = Ledger(file)
    for owner in ("JFK", "EWR", "LGA"):
        ledger.grant(owner, epsilon, 1e-4)
    return ledger


def spenders(file: Path, then: str, count: int = PROCESSES) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SPENDER, str(file), then]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(count)]


def test_what_is_reserved_is_spent_whatever_becomes_of_it(file: Path) -> None:
    ledger = granted(file)
    with pytest.raises(RuntimeError), ledger.spending(["JFK", "EWR"], 1.25, 1e-5, "a training"):
        raise RuntimeError
    assert ledger.balances()["JFK"].left == (1.75, 9e-5)
    assert ledger.balances()["LGA"].left == (3.0, 1e-4)
    reference = ledger.reserve(["JFK"], 0.5, 0.0, "called off")
    ledger.release(reference)
    assert ledger.balances()["JFK"].left == (1.75, 9e-5)


def test_one_owner_who_has_not_enough_stops_all(file: Path) -> None:
    ledger = granted(file)
    ledger.reserve(["EWR"], 2.5, 0.0, "alone")
    before = ledger.lines()
    with pytest.raises(UserError, match=r"refused: epsilon 1 of 'EWR', who has 0\.5 left of 3"):
        ledger.reserve(["JFK", "EWR"], 1.0, 0.0, "together")
    with pytest.raises(UserError, match=r"refused: delta 0\.0002 of 'JFK'"):
        ledger.reserve(["JFK"], 0.1, 2e-4, "delta")
    with pytest.raises(UserError, match="'SFO' has granted nothing"):
        ledger.reserve(["SFO"], 0.1, 0.0, "a stranger")
    assert ledger.lines() == before


@settings(max_examples=30, deadline=None)
@given(costs=st.lists(st.floats(1e-7, 2.0), min_size=1, max_size=12))
def test_the_budget_is_never_overspent_and_costs_are_rounded_up(
    tmp_path_factory: pytest.TempPathFactory, costs: list[float]
) -> None:
    ledger = granted(tmp_path_factory.mktemp("ledger") / "ledger.sqlite", epsilon=1.0)
    kept = 0.0
    for cost in costs:
        if cost <= ledger.balances()["JFK"].left[0] - 1e-6:
            ledger.reserve(["JFK"], cost, 0.0, "a cost")
            kept += cost
        elif cost > ledger.balances()["JFK"].left[0]:
            with pytest.raises(UserError, match="refused"):
                ledger.reserve(["JFK"], cost, 0.0, "a cost")
    assert kept <= 1.0
    assert ledger.balances()["JFK"].left[0] <= 1.0 - kept + 1e-12
    ledger.verify()


@pytest.mark.parametrize("then", ["commit", "leave"])
def test_sixteen_processes_at_once_spend_what_there_is_and_no_more(file: Path, then: str) -> None:
    ledger = granted(file)
    workers = spenders(file, then)
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES, outputs
    references = [reference for out, _ in outputs for reference in out.split()]
    # 3.0 / 0.07: the budget holds 42 of them.
    assert len(references) == len(set(references)) == 42
    assert ledger.balances()["JFK"].spent[0] == 42 * 70_000
    ledger.verify()


def test_a_process_that_is_killed_loses_nothing_that_it_was_told(file: Path) -> None:
    ledger = granted(file, epsilon=100.0)
    told = []
    for worker in spenders(file, "commit", count=2):
        assert worker.stdout is not None
        first = worker.stdout.readline().strip()
        os.kill(worker.pid, signal.SIGKILL)
        told += [first, *worker.communicate(timeout=60)[0].split()]
    ledger.verify()
    reserved = {line.reference for line in ledger.lines() if line.kind == "reserve"}
    # The last word of a killed process may be cut short.
    assert {reference for reference in told if len(reference) == 32} <= reserved
    assert ledger.balances()["JFK"].spent == ledger.balances()["EWR"].spent
    assert ledger.balances()["JFK"].spent[0] == len(reserved) * 70_000


def test_a_reference_is_closed_once(file: Path) -> None:
    ledger = granted(file)
    reference = ledger.reserve(["JFK"], 1.0, 0.0, "once")
    ledger.commit(reference)
    for again in (ledger.commit, ledger.release):
        with pytest.raises(UserError, match="was closed before, by commit in line 5"):
            again(reference)
    for unknown in ("", "0" * 32):
        with pytest.raises(UserError, match="nothing was reserved"):
            ledger.release(unknown)


def test_a_clock_that_goes_back_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = granted(file)

    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Past":
            return cls(1999, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(ledger_module, "datetime", Past)
    ledger.reserve(["JFK"], 2.0, 0.0, "long ago")
    assert ledger.lines()[-1].time.startswith("1999")
    with pytest.raises(UserError, match="refused"):
        ledger.reserve(["JFK"], 2.0, 0.0, "long ago")
    ledger.verify()


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, 1e-9, "1", True])
def test_no_other_epsilon_is_granted_or_spent(file: Path, epsilon: Any) -> None:
    ledger = granted(file)
    before = ledger.lines()
    if epsilon != 1e-9:  # a cost as small is rounded up to the least that is counted
        with pytest.raises(UserError, match="epsilon"):
            ledger.reserve(["JFK"], epsilon, 0.0, "wrong")
    with pytest.raises(UserError, match="epsilon"):
        ledger.grant("JFK", epsilon, 0.0)
    assert ledger.lines() == before


def test_numbers_of_numpy_are_numbers(file: Path) -> None:
    ledger = granted(file)
    for number in (np.float64(0.5), np.float32(0.5), np.int64(1)):
        ledger.reserve(["JFK"], number, np.float64(1e-6), "numpy")
    assert ledger.balances()["JFK"].left[0] == 1.0


def test_a_grant_that_would_be_rounded_to_nothing_is_refused(file: Path) -> None:
    with pytest.raises(UserError, match="delta 1e-20 is less than the ledger counts"):
        Ledger(file).grant("JFK", 1.0, 1e-20)
    assert not file.exists()


@pytest.mark.parametrize("delta", [-1e-9, 1.0, math.nan])
def test_no_other_delta_is_either(file: Path, delta: float) -> None:
    with pytest.raises(UserError, match="delta must be"):
        granted(file).reserve(["JFK"], 0.1, delta, "wrong")


def test_a_training_without_noise_has_no_cost_that_could_be_reserved() -> None:
    with pytest.raises(UserError, match="without noise nothing is private"):
        Mechanism(0.0, 0.5, 10)


def test_names_are_words(file: Path) -> None:
    for owner in ("", " ", "a\nb", "x" * 101):
        with pytest.raises(UserError, match="owner must be"):
            Ledger(file).grant(owner, 1.0, 0.0)
    with pytest.raises(UserError, match="'JFK' has granted nothing"):
        Ledger(file).reserve(["JFK"], 0.1, 0.0, "early")
    with pytest.raises(UserError, match="nothing was reserved"):
        Ledger(file).release("0" * 32)
    assert not file.exists()
    file.touch()
    assert Ledger(file).lines() == []
    with pytest.raises(UserError, match="different names"):
        granted(file).reserve(["JFK", "JFK"], 0.1, 0.0, "twice")


def test_lines_cannot_be_changed_through_sqlite(file: Path) -> None:
    granted(file)
    with sqlite3.connect(file) as connection:
        for attempt in ("UPDATE lines SET epsilon = 0", "DELETE FROM lines"):
            with pytest.raises(sqlite3.IntegrityError, match="lines"):
                connection.execute(attempt)


def without_guard(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER never_changed")
    connection.execute("DROP TRIGGER never_deleted")


TAMPERING: dict[str, tuple[Callable[[sqlite3.Connection], Any], str]] = {
    "a cost made smaller": (lambda c: c.execute("UPDATE lines SET epsilon = 1 WHERE number = 4"), "line 4 was changed"),
    "a line left out": (lambda c: c.execute("DELETE FROM lines WHERE number = 2"), "line 3 does not follow|line 2"),
    "a grant made larger": (lambda c: c.execute("UPDATE lines SET epsilon = 9e9 WHERE number = 1"), "line 1 was"),
    "two lines swapped": (
        lambda c: c.execute("UPDATE lines SET number = CASE number WHEN 1 THEN -2 ELSE number END"),
        "does not follow",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_shows_and_nothing_is_spent_after_it(file: Path, name: str) -> None:
    tamper, words = TAMPERING[name]
    ledger = granted(file)
    ledger.reserve(["JFK"], 1.0, 0.0, "a training")
    with sqlite3.connect(file) as connection:
        without_guard(connection)
        tamper(connection)
    with pytest.raises(UserError, match=words):
        ledger.verify()
    with pytest.raises(UserError, match=words):
        ledger.reserve(["JFK"], 0.1, 0.0, "more")
    with pytest.raises(UserError, match=words):
        ledger.grant("JFK", 1.0, 0.0)


def test_a_forged_line_that_gives_back_more_than_was_reserved_shows(file: Path) -> None:
    ledger = granted(file)
    ledger.reserve(["JFK"], 2.0, 0.0, "another")
    reference = ledger.reserve(["JFK"], 0.5, 0.0, "a training")
    with sqlite3.connect(file) as connection:
        ledger_module._append(connection, "release", "JFK", (2 * EPSILON_PARTS, 0), "a training", reference)
    with pytest.raises(UserError, match="line 6 closes what was not open"):
        ledger.verify()


def test_a_forged_line_that_overspends_shows(file: Path) -> None:
    ledger = granted(file)
    with sqlite3.connect(file) as connection:
        ledger_module._append(connection, "reserve", "JFK", (9 * EPSILON_PARTS, 0), "forged", "f" * 32)
    with pytest.raises(UserError, match="line 4 overspends the budget of JFK"):
        ledger.verify()


def test_lines_cut_off_show_against_a_hash_that_was_kept(file: Path) -> None:
    ledger = granted(file)
    kept = ledger.verify()
    ledger.reserve(["JFK"], 1.0, 0.0, "a training")
    later = ledger.verify(known=kept)
    assert later != kept
    with sqlite3.connect(file) as connection:
        without_guard(connection)
        connection.execute("DELETE FROM lines WHERE number = 4")
    assert ledger.verify() == kept
    with pytest.raises(UserError, match="lines were cut off"):
        ledger.verify(known=later)


def test_an_empty_ledger_is_sound(file: Path) -> None:
    assert Ledger(file).verify() == GENESIS
    with pytest.raises(UserError, match="is no folder"):
        Ledger(file / "none" / "ledger.sqlite")
    assert not file.exists()
    other = file.with_name("text.sqlite")
    other.write_text("this is no database, and long enough to be taken for one" * 20)
    with pytest.raises(UserError, match="not a database"):
        Ledger(other).grant("JFK", 1.0, 0.0)


def test_looking_changes_nothing_in_a_database_of_others(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (number INTEGER)")
    before = file.read_bytes()
    with pytest.raises(UserError, match="no such table"):
        Ledger(file).verify()
    assert file.read_bytes() == before


def test_the_command_line_grants_shows_and_verifies(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="no such file"):
        verb.ledger(verb.Action.SHOW, file=file)
    verb.ledger(verb.Action.GRANT, "JFK", file, epsilon=3.0, delta=1e-4)
    with Ledger(file).spending(["JFK"], 1.5, 1e-5, "a training"):
        pass
    picture, folder = tmp_path / "spend.png", tmp_path / "folder.png"
    folder.mkdir()
    verb.ledger(verb.Action.SHOW, file=file, picture=picture)
    assert "a training" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    verb.ledger(verb.Action.VERIFY, file=file)
    assert "3 lines follow from each other" in capsys.readouterr().out
    for wrong, words in (
        ({"action": verb.Action.VERIFY, "known": "0a"}, "lines were cut off"),
        ({"action": verb.Action.GRANT, "owner": "JFK"}, "needs an owner"),
        ({"action": verb.Action.SHOW, "owner": "SFO"}, "owners: JFK"),
        ({"action": verb.Action.SHOW, "picture": tmp_path / "x.txt"}, r"must be a \.png"),
        ({"action": verb.Action.SHOW, "picture": folder}, r"must be a \.png"),
        ({"action": verb.Action.VERIFY, "owner": "JFK", "epsilon": 3.0}, "no use for an owner or --epsilon"),
    ):
        with pytest.raises(UserError, match=words):
            verb.ledger(file=file, **wrong)
