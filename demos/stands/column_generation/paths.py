"""The cheapest days of a stand at given prices, as shortest paths, compiled by numba.

A day is built turn by turn in order of on-block. What must be remembered of it are the last turns, since a later turn
pays for its overlaps with them: a label of a turn holds the one before it, the one before that, and the least that a
day so far may cost. A label that costs no less than a day which pays for nothing any more (its last turn is over for
good, or was long ago) can only lose and is dropped; so of thousands of labels a turn keeps a few.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NOWHERE = 1 << 44  # the cost of a turn on a stand that it does not fit [1/100 min]
NONE = -1
APART = -1  # in place of a cost: the one turn is not over when the other begins


@njit(cache=True)
def _labels_of(turn, net, paid, alone, before_it, third, labels, groups, spans, counts):  # type: ignore[no-untyped-def]
    """Write the labels of `turn`, and return the least of them, or what a day costs that pays for nothing any more.

    paid: (n,) what `turn` pays for each turn before it; before_it: those that it pays for. labels: values, and the
    second turn before; groups: one for each turn before, with its least value and its span of labels, which are in
    order of value, and the groups of a turn by least value; spans: (n, 2) the groups of each turn; counts: labels and
    groups so far.
    """
    value, second = labels
    before, least, start, by_least = groups
    limit = best = net[turn] + alone[turn]
    for one in before_it:
        base, first = paid[one] + net[turn], counts[0]
        fresh = net[one] + alone[one] + base
        top, end = min(limit, fresh), first
        if fresh < limit:
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
def _days_of_group(net, paid, turns, third, memory, costs, paths):  # type: ignore[no-untyped-def]
    """Write the cheapest days of one group, the best one first. turns: those that may be worth taking, by on-block."""
    n, pairs = len(net), len(turns) * (len(turns) - 1) // 2 + 1
    room = memory + pairs + n
    labels = np.empty(room, np.int64), np.empty(room, np.int32)
    groups = (
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int64),
        np.zeros(pairs + 1, np.int64),
        np.empty(pairs, np.int64),
    )
    spans, counts = np.zeros((n, 2), np.int64), np.zeros(2, np.int64)
    best, alone, alone_from = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, NONE, np.int64)
    near = np.empty(len(turns), np.int64)
    for place, turn in enumerate(turns):
        many = 0
        for earlier in turns[:place]:
            if paid[turn, earlier] > 0:
                near[many] = earlier
                many += 1
            elif paid[turn, earlier] == 0 and best[earlier] < alone[turn]:
                alone[turn], alone_from[turn] = best[earlier], earlier
        spans[turn, 0] = counts[1]
        best[turn] = _labels_of(turn, net, paid[turn], alone, near[:many], third, labels, groups, spans, counts)
        spans[turn, 1] = counts[1]
        _rank(groups[3], groups[1], spans[turn, 0], spans[turn, 1])
    ends = np.argsort(best)[: len(costs)]
    for rank in range(len(ends)):
        if best[ends[rank]] >= 0:
            break
        costs[rank] = best[ends[rank]]
        _walk_back(ends[rank], paid, alone_from, third, labels, groups, spans, paths[rank])


@njit(cache=True)
def cheapest_days(net, paid, order, third, each, memory):  # type: ignore[no-untyped-def]
    """The cheapest days of every group of stands.

    net: (G, n) cost of each turn on a stand of each group, less its price, NOWHERE and more where it does not fit;
    paid: (n, n) what a turn of a row pays for its overlap with that of a column, which is over before; APART where that
    is not over; order: (n,) by on-block. third: whether overlaps with the third turn before count, or those with two
    alone; each: how many days, no two with the same last turn; memory: labels a group may keep. All in whole 1/100 min.

    Returns (G,) the least cost, 0 for an empty day; (G, each) that of each day, 0 where there is none; and
    (G, each, n) its turns, last first, NONE after the first one. What is left out costs something, so a day may cost
    more than is said here, never less.
    """
    n_groups, n = net.shape
    costs, paths = np.zeros((n_groups, each), np.int64), np.full((n_groups, each, n), NONE, np.int32)
    for group in range(n_groups):
        # A turn that costs more than its price makes no day cheaper.
        turns = order[net[group][order] < 0]
        _days_of_group(net[group], paid, turns, third, memory, costs[group], paths[group])
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
        cheapest_days(one, one, turns, third, 1, 10)
    cost_of_day(turns, one[0], one)
