"""The cheapest days of a stand at given prices, as shortest paths, compiled by numba.

A day is built turn by turn in order of on-block. What must be remembered of it are the last turns, since a later turn
pays for its overlaps with them: a label of a turn holds the one before it, the one before that, and the least that a
day so far may cost. A label that costs no less than a day which pays for nothing any more (its last turn is over for
good, or was long ago) can only lose and is dropped; so is one that with the least that must come after it costs more
than days which are known; so of thousands of labels a turn keeps a few.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NOWHERE = 1 << 44  # the cost of a turn on a stand that it does not fit
NONE = -1
APART = -1  # in place of a cost: the one turn is not over when the other begins


@njit(cache=True)
def _labels_of(turn, net, paid, alone, before_it, third, most, labels, groups, spans, counts):  # type: ignore[no-untyped-def]
    """Write the labels of `turn`, and return the least of them, or what a day costs that pays for nothing any more.

    paid: (n,) what `turn` pays for each turn before it; before_it: those that it pays for; most: (n,) what a label may
    cost by the turn before it. labels: values, and the second turn before; groups: one for each turn before, with its
    least value and its span of labels, which are in order of value, and the groups of a turn by least value; spans:
    (n, 2) the groups of each turn; counts: labels and groups so far.
    """
    value, second = labels
    before, least, start, by_least = groups
    limit = best = net[turn] + alone[turn]
    for one in before_it:
        base, first = paid[one] + net[turn], counts[0]
        fresh = net[one] + alone[one] + base
        top, end = min(limit, most[one]), first
        if fresh < top:
            top = fresh
            value[end], second[end] = fresh, NONE
            end += 1
        for rank in range(spans[one, 0], spans[one, 1]):
            group = by_least[rank]
            if least[group] + base >= top:
                break
            reached = base + paid[before[group]]
            if third:
                cheapest = top - reached
                for label in range(start[group], start[group + 1]):
                    if value[label] >= cheapest:
                        break
                    cheapest = min(cheapest, value[label] + (paid[second[label]] if second[label] != NONE else 0))
                reached += cheapest
            else:
                reached += least[group]
            if reached >= top:
                continue
            if not third:  # only the best label matters, the one before `one` being all that a later turn pays for
                top, end = reached, first
            at = end
            while at > first and value[at - 1] > reached:
                value[at], second[at] = value[at - 1], second[at - 1]
                at -= 1
            value[at], second[at] = reached, before[group]
            end += 1
        if end > len(value) - len(net) - len(before):  # memory ends: the best label stays and forgets what it would pay
            value[first], second[first], end = value[first], NONE, min(end, first + 1)
        if end > first:
            before[counts[1]], least[counts[1]], start[counts[1]], start[counts[1] + 1] = one, value[first], first, end
            counts[0], counts[1], best = end, counts[1] + 1, min(best, value[first])
    return best


@njit(cache=True)
def _rank(by_least, least, first, end):  # type: ignore[no-untyped-def]
    """Write the groups from `first` to before `end` in order of their least value."""
    for group in range(first, end):
        at = group
        while at > first and least[by_least[at - 1]] > least[group]:
            by_least[at] = by_least[at - 1]
            at -= 1
        by_least[at] = group


@njit(cache=True)
def _best_label(turn, second, groups, spans):  # type: ignore[no-untyped-def]
    """The two turns before `turn` on the cheapest way to it; NONE, NONE: the way that pays for nothing."""
    before, least, start, _ = groups
    lowest, one, two = NOWHERE, NONE, NONE
    for group in range(spans[turn, 0], spans[turn, 1]):
        if least[group] < lowest:
            lowest, one, two = least[group], before[group], second[start[group]]
    return one, two


@njit(cache=True)
def _third_before(turn, one, two, paid, third, labels, groups, spans):  # type: ignore[no-untyped-def]
    """The turn before `two`, then `one`, then `turn`, by which that way is cheapest; NONE: none near."""
    value, second = labels
    before, _, start, _ = groups
    lowest, found = NOWHERE, NONE
    for group in range(spans[one, 0], spans[one, 1]):
        if before[group] == two:
            for label in range(start[group], start[group + 1]):
                here = value[label]
                if third and second[label] != NONE:
                    here += paid[turn, second[label]]
                if here < lowest:
                    lowest, found = here, second[label]
    return found


@njit(cache=True)
def _walk_back(last, paid, alone_from, third, labels, groups, spans, path):  # type: ignore[no-untyped-def]
    """Write the cheapest day that ends with `last` into `path`, last turn first."""
    turn, length = last, 0
    one, two = _best_label(turn, labels[1], groups, spans)
    while turn != NONE:
        path[length] = turn
        length += 1
        if one == NONE:
            turn = alone_from[turn]
            if turn != NONE:
                one, two = _best_label(turn, labels[1], groups, spans)
        else:
            three = NONE if two == NONE else _third_before(turn, one, two, paid, third, labels, groups, spans)
            turn, one, two = one, two, three


@njit(cache=True)
def _sweep(net, way, third, most, labels, groups, spans, least):  # type: ignore[no-untyped-def]
    """Label all turns in order. way: what turns pay, which are far, and the turns in order; most: (n, n) a label of a
    turn by the one before it that costs as much can only lose.

    least: (3, n) to write: of each turn the least label, the least that a day before it costs which it pays nothing
    for, and the last turn of that.
    """
    (paid, far, turns), (best, alone, alone_from) = way, least
    counts, near = np.zeros(2, np.int64), np.empty(len(turns), np.int64)
    best[:], alone[:], alone_from[:] = 0, 0, NONE
    for place, turn in enumerate(turns):
        many = 0
        for earlier in turns[:place]:
            if paid[turn, earlier] == APART:
                continue
            if not far[turn, earlier]:
                near[many] = earlier
                many += 1
            elif best[earlier] < alone[turn]:
                alone[turn], alone_from[turn] = best[earlier], earlier
        spans[turn, 0] = counts[1]
        best[turn] = _labels_of(
            turn, net, paid[turn], alone, near[:many], third, most[turn], labels, groups, spans, counts
        )
        spans[turn, 1] = counts[1]
        _rank(groups[3], groups[1], spans[turn, 0], spans[turn, 1])


@njit(cache=True)
def _sweep_lightly(net, way, least):  # type: ignore[no-untyped-def]
    """As `_sweep`, but each turn pays for the one before it alone."""
    (paid, _, turns), (best, alone, alone_from) = way, least
    best[:], alone[:], alone_from[:] = 0, 0, NONE
    for place, turn in enumerate(turns):
        for earlier in turns[:place]:
            there = best[earlier] + paid[turn, earlier]
            if there < alone[turn] and paid[turn, earlier] != APART:
                alone[turn], alone_from[turn] = there, earlier
        best[turn] = net[turn] + alone[turn]


@njit(cache=True)
def _above(net, paid, each, labels, groups, spans, least, path):  # type: ignore[no-untyped-def]
    """More than what `each` of the cheapest days of a sweep cost with every two of their turns counted."""
    found = -NOWHERE
    for end in np.argsort(least[0])[:each]:
        if least[0, end] >= 0:
            break
        path[:] = NONE
        _walk_back(end, paid, least[2], False, labels, groups, spans, path)
        total = 0
        for place, turn in enumerate(path):
            if turn == NONE:
                break
            total += net[turn]
            for later in path[:place]:
                total += paid[later, turn]
        found = max(found, total + 1)
    return found


@njit(cache=True)
def _write_most(net, way, above, groups, spans, least, most):  # type: ignore[no-untyped-def]
    """Write what labels of the sweep the other way may cost, now that what comes after them is known at least.

    way, groups, spans, least: of the sweep that was; most: its own, too.
    """
    paid, far, turns = way
    for place, turn in enumerate(turns):
        for other in turns[:place]:
            if paid[turn, other] != APART and not far[turn, other]:
                rest = min(most[turn, other], net[turn] + least[1, turn])
                most[other, turn] = above - rest + net[turn] + net[other] + paid[turn, other]
        for group in range(spans[turn, 0], spans[turn, 1]):
            other, rest = groups[0][group], groups[1][group]
            most[other, turn] = above - rest + net[turn] + net[other] + paid[turn, other]


@njit(cache=True)
def _days_of_group(net, way, back, third, room, costs, paths):  # type: ignore[no-untyped-def]
    """Write cheap days of one group, the cheapest one first.

    By sweeps to and fro: each remembers one turn more, and drops what by the one before cannot be among the cheapest.
    way: what turns pay for each other, which are far, and those that may be worth taking, by on-block; back: the same
    the other way round.
    """
    labels, groups, spans, least, path, most = room
    spans[:] = 0
    first, second = (way, back) if third else (back, way)
    _sweep_lightly(net, first, least)
    above = _above(net, first[0], len(costs), labels, groups, spans, least, path)
    for turn in second[2]:
        most[turn] = above - least[0, turn] + net[turn]
    _sweep(net, second, False, most, labels, groups, spans, least)
    if third:
        above = _above(net, back[0], len(costs), labels, groups, spans, least, path)
        _write_most(net, back, above, groups, spans, least, most)
        _sweep(net, way, True, most, labels, groups, spans, least)
    ends = np.argsort(least[0])[: len(costs)]
    for rank in range(len(ends)):
        if least[0, ends[rank]] >= 0:
            break
        costs[rank] = least[0, ends[rank]]
        _walk_back(ends[rank], way[0], least[2], third, labels, groups, spans, paths[rank])


@njit(cache=True)
def cheapest_days(net, paid, far, order, third, each, memory):  # type: ignore[no-untyped-def]
    """The cheapest day of every group of stands, and others that are cheap.

    net: (G, n) cost of each turn on a stand of each group, less its price, NOWHERE and more where it does not fit;
    paid: (n, n) what a turn of a row pays for its overlap with that of a column, which is over before; APART where that
    is not over; far: (n, n) where it pays nothing, and what comes later is let off what came before; order: (n,) by
    on-block. third: whether overlaps with the third turn before count, or those with two alone; each: how many days,
    the cheapest one first, no two with the same last turn; memory: labels a group may keep. All in whole units.

    Returns (G,) the least cost, 0 for an empty day; (G, each) that of each day, 0 where there is none; and
    (G, each, n) its turns, last first, NONE after the first one. What is left out costs something, so a day may cost
    more than is said here, never less.
    """
    n_groups, n = net.shape
    costs, paths = np.zeros((n_groups, each), np.int64), np.full((n_groups, each, n), NONE, np.int32)
    paid_back, far_back, pairs = paid.T.copy(), far.T.copy(), n * (n - 1) // 2 + 1
    room = (
        (np.empty(memory + pairs + n, np.int64), np.empty(memory + pairs + n, np.int32)),
        (
            np.empty(pairs, np.int32),
            np.empty(pairs, np.int64),
            np.zeros(pairs + 1, np.int64),
            np.empty(pairs, np.int64),
        ),
        np.zeros((n, 2), np.int64),
        np.zeros((3, n), np.int64),
        np.empty(n, np.int32),
        np.empty((n, n), np.int64),
    )
    for group in range(n_groups):
        # A turn that costs more than its price makes no day cheaper.
        turns = order[net[group][order] < 0]
        way, back = (paid, far, turns), (paid_back, far_back, turns[::-1].copy())
        _days_of_group(net[group], way, back, third, room, costs[group], paths[group])
    return costs[:, 0].copy(), costs, paths


@njit(cache=True)
def cost_of_day(turns, static, pair):  # type: ignore[no-untyped-def]
    """All that a day costs: each turn's stand, and every two of its turns. static: (n,); pair: (n, n)."""
    total = 0
    for index, turn in enumerate(turns):
        total += static[turn]
        for earlier in turns[:index]:
            total += pair[turn, earlier]
    return total


def compile_all() -> None:
    """Compile for the types that `StandDays` uses, or read it from numba's cache."""
    one, turns = np.zeros((1, 1), np.int64), np.zeros(1, np.int64)
    for third in (False, True):
        cheapest_days(one, one, one > 0, turns, third, 1, 10)
    cost_of_day(turns, one[0], one)
