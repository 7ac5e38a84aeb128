"""What `trendlab ledger` does and prints."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from demos.private_training.trust.ledger import EPSILON_PARTS, Ledger, Line
from shared.commands.tables import say, show, table
from shared.errors import UserError
from shared.style import matplotlib_style

LAST = 12  # lines that are shown
USES = {
    "show": {"an owner", "--known", "--picture"},
    "grant": {"an owner", "--epsilon", "--delta"},
    "verify": {"--known"},
}


def act(
    action: str,
    owner: str | None,
    file: Path,
    epsilon: float | None,
    delta: float | None,
    known: str | None,
    picture: Path | None,
) -> None:
    """Show, grant or verify. Raises UserError for what cannot be done."""
    if action != "grant" and not file.is_file():
        raise UserError(
            f"ledger: {file}: no such file; `trendlab ledger grant OWNER --epsilon 1 --delta 1e-5` makes it"
        )
    given = {"an owner": owner, "--epsilon": epsilon, "--delta": delta, "--known": known, "--picture": picture}
    if odd := [name for name, value in given.items() if value is not None and name not in USES[action]]:
        raise UserError(f"ledger {action} has no use for {' or '.join(odd)}")
    if picture is not None:
        picture = _drawable(picture)
    ledger = Ledger(file)
    if action == "grant":
        if owner is None or epsilon is None or delta is None:
            raise UserError("ledger grant needs an owner, --epsilon and --delta")
        ledger.grant(owner, epsilon, delta)
        left = ledger.balances()[owner].left
        say(f"{owner}: epsilon {left[0]:g} and delta {left[1]:g} left")
    elif action == "verify":
        say(f"{len(ledger.lines())} lines follow from each other; the last has the hash {ledger.verify(known)}")
    else:
        ledger.verify(known)
        _show(ledger, owner)
        if picture is not None:
            spend_picture(ledger.lines(), picture)
            say(str(picture))


def _show(ledger: Ledger, owner: str | None) -> None:
    balances = ledger.balances()
    if owner is not None and owner not in balances:
        raise UserError(f"ledger: {owner!r} has granted nothing; owners: {', '.join(balances) or 'none'}")
    rows = [
        [
            name,
            f"{balance.granted[0] / EPSILON_PARTS:g}",
            f"{balance.spent[0] / EPSILON_PARTS:g}",
            f"{balance.left[0]:g}",
            f"{balance.left[1]:g}",
        ]
        for name, balance in balances.items()
        if owner in (None, name)
    ]
    show(table(["owner", "epsilon granted", "spent", "left", "delta left"], rows, right=(1, 2, 3, 4)))
    lines = [line for line in ledger.lines() if owner in (None, line.owner)][-LAST:]
    cells = [
        [str(line.number), line.time, line.kind, line.owner, f"{line.epsilon / EPSILON_PARTS:g}", line.purpose]
        for line in lines
    ]
    show(table(["line", "time (UTC)", "what", "owner", "epsilon", "purpose"], cells, right=(0, 4)))


def _drawable(file: Path) -> Path:
    file = file.expanduser()
    if file.suffix.lower() != ".png" or not file.parent.is_dir() or file.is_dir():
        raise UserError(f"ledger: the picture must be a .png in a folder that is there, got {file}")
    return file


def spend_picture(lines: list[Line], file: Path) -> None:
    """A PNG of what each owner has spent, as a staircase over time, under the line of what was granted."""
    from matplotlib import dates, pyplot, rc_context

    with rc_context(matplotlib_style()):
        drawing, axes = pyplot.subplots()
        for number, owner in enumerate(dict.fromkeys(line.owner for line in lines)):
            times, granted, spent = _staircase([line for line in lines if line.owner == owner])
            days = dates.date2num(times)
            axes.step(days, granted, where="post", color=f"C{number}", linestyle=":", linewidth=1.2)
            axes.step(days, spent, where="post", color=f"C{number}", label=owner)
        axes.xaxis_date()
        axes.set(xlabel="time (UTC)", ylabel="epsilon", title="Spent (lines) of what was granted (dotted)")
        if lines:
            axes.legend()
        drawing.autofmt_xdate()
        drawing.savefig(file, dpi=120)
        pyplot.close(drawing)


def _staircase(lines: list[Line]) -> tuple[list[datetime], list[float], list[float]]:
    times, granted, spent = list[datetime](), [0.0], [0.0]
    for line in lines:
        amount = line.epsilon / EPSILON_PARTS
        times.append(datetime.fromisoformat(line.time))
        granted.append(granted[-1] + (amount if line.kind == "grant" else 0))
        spent.append(spent[-1] + {"reserve": amount, "release": -amount}.get(line.kind, 0.0))
    return times, granted[1:], spent[1:]
