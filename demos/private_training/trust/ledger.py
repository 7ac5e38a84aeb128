"""A budget of privacy that cannot be overspent: one SQLite file, to which lines are added and never changed.

Whoever is about to look at data of some owners reserves what that will cost, for all of them at once, and commits it
afterwards. What was reserved counts as spent from then on, whatever becomes of the process. Costs add up by basic
composition, sums of epsilon and of delta, which holds however each next step was chosen (Rogers et al., "Privacy
odometers and filters", NeurIPS 2016); tighter sums do not in general.

Each line carries a hash over itself and the line before. So a line that was changed, left out or moved shows; that the
last ones were cut off shows only against a hash that was kept elsewhere (`verify(known=...)`).
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from numbers import Real
from pathlib import Path

from shared.errors import UserError

EPSILON_PARTS, DELTA_PARTS = 10**6, 10**15  # amounts are integers: millionths, and 1e-15ths
LARGEST = 10**9  # of an amount, so that sums fit into 64 bits
WAIT = 60.0  # for another process that writes [s]
GENESIS = "0" * 64
KINDS = ("grant", "reserve", "commit", "release")
NAME, PURPOSE = 100, 250  # characters

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS lines (number INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, "
    "owner TEXT NOT NULL, epsilon INTEGER NOT NULL, delta INTEGER NOT NULL, purpose TEXT NOT NULL, "
    "reference TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL) STRICT",
    "CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON lines "
    "BEGIN SELECT RAISE(ABORT, 'lines never change'); END",
    "CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON lines BEGIN SELECT RAISE(ABORT, 'lines stay'); END",
)


@dataclass(frozen=True)
class Line:
    """One line. epsilon, delta: in their integer parts; reference: joins what belongs to one reservation."""

    number: int
    time: str
    kind: str
    owner: str
    epsilon: int
    delta: int
    purpose: str
    reference: str
    previous: str
    hash: str

    def digest(self) -> str:
        """The hash that this line should have."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True)
class Balance:
    """Of one owner, in integer parts: granted, and spent or reserved, both of epsilon and of delta."""

    granted: tuple[int, int] = (0, 0)
    spent: tuple[int, int] = (0, 0)

    @property
    def left(self) -> tuple[float, float]:
        """Epsilon and delta that can still be reserved."""
        parts = (granted - spent for granted, spent in zip(self.granted, self.spent, strict=True))
        epsilon, delta = parts
        return epsilon / EPSILON_PARTS, delta / DELTA_PARTS


class Ledger:
    """The ledger in `file`, which is made when it is not there; its folder must be. Any number of processes may use it.

    Raises UserError, in one line, for every refusal; nothing is written then.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        if not self.file.parent.is_dir():
            raise UserError(f"ledger: {self.file.parent} is no folder")

    def grant(self, owner: str, epsilon: float, delta: float, purpose: str = "grant") -> None:
        """Add to an owner's budget: epsilon above 0; delta from 0 to below 1."""
        amounts = _amounts(epsilon, delta, ROUND_FLOOR)
        owner, purpose = _name("owner", owner), _name("purpose", purpose, PURPOSE)
        with self._writing() as connection:
            _verified(connection)
            _append(connection, "grant", owner, amounts, purpose, "")

    def reserve(self, owners: Sequence[str], epsilon: float, delta: float, purpose: str) -> str:
        """Take a cost off the budgets of all `owners`, or of none when one has not enough. Returns its reference."""
        if not owners or len(set(owners)) < len(owners):
            raise UserError(f"ledger: owners must be one or more different names, got {list(owners)}")
        amounts = _amounts(epsilon, delta, ROUND_CEILING)
        reference, purpose = uuid.uuid4().hex, _name("purpose", purpose, PURPOSE)
        if not self.file.exists():
            raise UserError(f"ledger: {owners[0]!r} has granted nothing: there is no {self.file}")
        with self._writing() as connection:
            balances = _balances(_verified(connection))
            for owner in owners:
                _refuse_overspending(owner, balances.get(owner), amounts)
                _append(connection, "reserve", owner, amounts, purpose, reference)
        return reference

    def commit(self, reference: str) -> None:
        """Note that what was reserved was done. A reference can be closed once."""
        self._close(reference, "commit")

    def release(self, reference: str) -> None:
        """Give back what was reserved: only for work that has not looked at the data."""
        self._close(reference, "release")

    @contextmanager
    def spending(self, owners: Sequence[str], epsilon: float, delta: float, purpose: str) -> Iterator[str]:
        """Reserve, do what is inside, commit. It is spent also when that fails: the data may have been looked at."""
        reference = self.reserve(owners, epsilon, delta, purpose)
        try:
            yield reference
        finally:
            self.commit(reference)

    def lines(self) -> list[Line]:
        """All lines, in order, as they are; `verify` tells whether they can be believed."""
        return self._looked_at(_read)

    def balances(self) -> dict[str, Balance]:
        """Of each owner, in the order of their first grants."""
        return _balances(self.lines())

    def verify(self, known: str | None = None) -> str:
        """The hash of the last line, when all lines follow from each other and no budget is overspent.

        known: a hash that this ledger gave before, which must be among its lines. Raises UserError with the first
        line that is wrong.
        """
        lines = self._looked_at(_verified)
        if known is not None and known not in {GENESIS, *(line.hash for line in lines)}:
            raise UserError(f"ledger: no line has the hash {known}: lines were cut off, or it is of another ledger")
        return lines[-1].hash if lines else GENESIS

    def _close(self, reference: str, kind: str) -> None:
        if not self.file.exists():
            raise UserError(f"ledger: nothing was reserved: there is no {self.file}")
        with self._writing() as connection:
            of_it = [line for line in _verified(connection) if line.reference == reference and reference]
            if not of_it:
                raise UserError(f"ledger: nothing was reserved under {reference!r}")
            if closed := [line for line in of_it if line.kind != "reserve"]:
                raise UserError(
                    f"ledger: {reference} was closed before, by {closed[0].kind} in line {closed[0].number}"
                )
            for line in of_it:
                _append(connection, kind, line.owner, (line.epsilon, line.delta), line.purpose, reference)

    def _looked_at(self, look: Callable[[sqlite3.Connection], list[Line]]) -> list[Line]:
        """What `look` finds; no lines where there is no file yet. Looking makes none and changes none."""
        if not self.file.exists():
            return []
        with closing(self._connect()) as connection:
            return look(connection)

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.file, timeout=WAIT, isolation_level=None)
            # Not acknowledged before it is on the disk, and no second file that could be lost.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = EXTRA")
        except sqlite3.Error as error:
            raise UserError(f"ledger: {self.file} cannot be opened: {error}") from None
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; what is inside is written whole or not at all."""
        with closing(self._connect()) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA:
                    connection.execute(statement)
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise UserError(f"ledger: {self.file}: {error}") from None
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def _append(
    connection: sqlite3.Connection, kind: str, owner: str, amounts: tuple[int, int], purpose: str, reference: str
) -> None:
    last = connection.execute("SELECT number, hash FROM lines ORDER BY number DESC LIMIT 1").fetchone()
    number, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    # The clock is for readers: nothing is decided by it.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = Line(number, now, kind, owner, *amounts, purpose, reference, previous, "")
    values = [*asdict(replace(line, hash=line.digest())).values()]
    connection.execute(f"INSERT INTO lines VALUES ({','.join('?' * len(values))})", values)


def _read(connection: sqlite3.Connection) -> list[Line]:
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return []  # of a writer that was stopped before its first line
        return [Line(*row) for row in connection.execute("SELECT * FROM lines ORDER BY number")]
    except sqlite3.Error as error:
        raise UserError(f"ledger: cannot be read: {error}") from None


def _verified(connection: sqlite3.Connection) -> list[Line]:
    """All lines. Raises UserError with the first that does not follow from those before."""
    lines, previous, pending = _read(connection), GENESIS, dict[tuple[str, str], tuple[int, int]]()
    balances: dict[str, Balance] = {}
    for number, line in enumerate(lines, start=1):
        where = f"ledger: line {number}"
        if line.number != number or line.previous != previous:
            raise UserError(f"{where} does not follow the line before: one was left out, moved or added")
        if line.hash != line.digest():
            raise UserError(f"{where} was changed: its hash is not that of what it says")
        _keep_pending(line, pending, where)
        balances[line.owner] = after = _after(balances.get(line.owner, Balance()), line)
        if line.kind not in KINDS or min(line.epsilon, line.delta, *after.spent) < 0:
            raise UserError(f"{where} is none that this ledger writes")
        if any(spent > granted for spent, granted in zip(after.spent, after.granted, strict=True)):
            raise UserError(f"{where} overspends the budget of {line.owner}: it was not written by this ledger")
        previous = line.hash
    return lines


def _keep_pending(line: Line, pending: dict[tuple[str, str], tuple[int, int]], where: str) -> None:
    """pending: amounts of references, with their owners, that are reserved and not closed."""
    key, amounts = (line.reference, line.owner), (line.epsilon, line.delta)
    if line.kind == "reserve":
        pending[key] = amounts
    elif line.kind in ("commit", "release") and pending.pop(key, None) != amounts:
        raise UserError(f"{where} closes what was not open")


def _balances(lines: Sequence[Line]) -> dict[str, Balance]:
    found: dict[str, Balance] = {}
    for line in lines:
        found[line.owner] = _after(found.get(line.owner, Balance()), line)
    return found


def _after(balance: Balance, line: Line) -> Balance:
    amounts = (line.epsilon, line.delta)
    if line.kind == "grant":
        return Balance(_plus(balance.granted, amounts, 1), balance.spent)
    if line.kind in ("reserve", "release"):
        return Balance(balance.granted, _plus(balance.spent, amounts, 1 if line.kind == "reserve" else -1))
    return balance


def _plus(first: tuple[int, int], second: tuple[int, int], sign: int) -> tuple[int, int]:
    return first[0] + sign * second[0], first[1] + sign * second[1]


def _refuse_overspending(owner: str, balance: Balance | None, amounts: tuple[int, int]) -> None:
    if balance is None:
        raise UserError(f"ledger: {owner!r} has granted nothing")
    for place, (name, parts) in enumerate((("epsilon", EPSILON_PARTS), ("delta", DELTA_PARTS))):
        if balance.spent[place] + amounts[place] > balance.granted[place]:
            raise UserError(
                f"ledger: refused: {name} {amounts[place] / parts:.10g} of {owner!r}, who has "
                f"{balance.left[place]:.10g} left of {balance.granted[place] / parts:.10g}"
            )


def _amounts(epsilon: float, delta: float, rounding: str) -> tuple[int, int]:
    """In integer parts: a grant is rounded down, a cost up."""
    if not (_is_number(epsilon) and 0 < epsilon <= LARGEST):
        raise UserError(f"ledger: epsilon must be a number above 0, at most {LARGEST:g}, got {epsilon}")
    if not (_is_number(delta) and 0 <= delta < 1):
        raise UserError(f"ledger: delta must be from 0 to below 1, got {delta}")
    pairs = ((epsilon, EPSILON_PARTS), (delta, DELTA_PARTS))
    first, second = (int((Decimal(repr(float(value))) * parts).to_integral_value(rounding)) for value, parts in pairs)
    if first == 0:
        raise UserError(f"ledger: epsilon {epsilon} is less than the ledger counts, {1 / EPSILON_PARTS:g}")
    if second == 0 < delta:
        raise UserError(f"ledger: delta {delta} is less than the ledger counts, {1 / DELTA_PARTS:g}")
    return first, second


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _name(what: str, text: str, most: int = NAME) -> str:
    if not text.strip() or len(text) > most or not text.isprintable():
        raise UserError(f"ledger: {what} must be 1 to {most} printable characters, got {text!r}")
    return text
