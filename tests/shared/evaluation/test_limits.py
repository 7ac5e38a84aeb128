"""Limits of a machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.evaluation import limits
from shared.evaluation.limits import gemm_peak, operations


def test_the_peak_is_the_best_of_some_products(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    times = iter([0.5, 0.2, 0.1, 0.4])

    def seconds(work: Callable[[], object]) -> float:
        assert operations(work) == 2 * 10**3
        return next(times)

    monkeypatch.setattr(limits, "seconds_of", seconds)
    assert gemm_peak(torch.bfloat16, side=10, repeats=3) == pytest.approx(2 * 10**3 / 0.1)
