"""A plan of changes to an index, and a process that carries it out until it is killed: `index_writer.py FOLDER`.

Each step follows from its number alone, so that whoever knows how many steps were done knows what must be in the index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from demos.clip_retrieval.index.vector_index import VectorIndex
from shared.seed import generator

DIMENSION = 32
METADATA = pa.schema([("group", pa.string()), ("n", pa.int64())])
State = dict[str, int]  # key -> n of its row, from which all else follows


def vector(key: str, n: int) -> np.ndarray:
    drawn = generator(n, key).standard_normal(DIMENSION)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def rows(state: State) -> pa.Table:
    vectors = np.array([vector(key, n) for key, n in state.items()], np.float32).reshape(-1, DIMENSION)
    return pa.table(
        {
            "key": pa.array(list(state), pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION),
            "group": pa.array([f"g{n % 3}" for n in state.values()], pa.string()),
            "n": pa.array(list(state.values()), pa.int64()),
        }
    )


def step(number: int) -> tuple[str, Any]:
    """Add 12 rows; change half of them and add 6; delete 8, quotes and all; now and then tidy up."""
    round_, place = divmod(number, 4)
    if place == 0:
        return "add", {f"it's {round_}-{item}": number for item in range(12)}
    if place == 1:
        return "upsert", {f"it's {round_}-{item}": number for item in range(6, 18)}
    if place == 2:
        return "delete", [f"it's {round_}-{item}" for item in range(4, 12)]
    return "optimise" if round_ % 4 == 3 else "upsert", {f"it's {round_}-0": number}


def expected(steps: int) -> State:
    """What is in the index after so many steps."""
    state: State = {}
    for number in range(steps):
        kind, given = step(number)
        if kind == "delete":
            state = {key: n for key, n in state.items() if key not in given}
        elif kind != "optimise":
            state |= given
    return state


def carry_out(index: VectorIndex, number: int) -> None:
    kind, given = step(number)
    if kind == "optimise":
        index.optimise()
    elif kind == "delete":
        index.delete(given)
    elif kind == "add":
        index.add(rows(given))
    else:
        index.upsert(rows(given))


if __name__ == "__main__":
    # Everything slow comes before the wait, so that the next process can start up while this one is being killed.
    import lancedb  # noqa: F401

    number = int(sys.stdin.readline())
    with VectorIndex.open(Path(sys.argv[1])) as opened:
        while True:
            carry_out(opened, number)
            number += 1
            print(number, flush=True)
