"""Timing with a clock of our own: turns, warm-up and ratios."""

import pytest

from shared.evaluation.timing import paired_timing


class Machine:
    """A clock that functions move by themselves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def task(self, name: str, seconds: float):
        def call() -> None:
            self.calls.append(name)
            # The machine gets slower and slower: pairs see through that.
            self.now += seconds * (1 + len(self.calls) // 2)

        return call


def test_turns_are_interleaved_after_the_warm_up() -> None:
    machine = Machine()
    functions = {"peer": machine.task("p", 2.0), "ours": machine.task("o", 1.0)}
    timings = paired_timing(functions, repeats=4, warmup=1, clock=lambda: machine.now)
    assert "".join(machine.calls) == "po" + "po" + "op" + "po" + "op"
    assert timings["peer"].ratio_quartiles == (1.0, 1.0, 1.0)
    assert 0.4 < timings["ours"].ratio < 0.7
    assert timings["ours"].quartiles[0] <= timings["ours"].median <= timings["ours"].quartiles[2]
    assert len(timings["ours"].seconds) == 4


def test_threads_are_stated() -> None:
    threads = paired_timing({"a": lambda: None}, repeats=3)["a"].threads
    assert all(count >= 1 for count in threads.values())


@pytest.mark.parametrize("words", [{"repeats": 2}, {"warmup": -1}])
def test_too_little_is_refused(words: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="3 repeats"):
        paired_timing({"a": lambda: None}, **words)
