"""Fan-out over processes or a Ray cluster, through joblib. Results depend on neither engine nor number of workers."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, Literal, TypeVar, get_args

from shared.errors import UserError
from shared.progress import Progress

T = TypeVar("T")
R = TypeVar("R")
Engine = Literal["processes", "serial", "ray"]
ENGINES: tuple[str, ...] = get_args(Engine)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def worker_count(workers: int | None) -> int:
    """`workers`, or all cores this process may use. Raises UserError below 1."""
    import joblib

    if workers is None:
        return int(joblib.cpu_count())
    if workers < 1:
        raise UserError(f"--workers must be 1 or more, got {workers}")
    return workers


def fan_out(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    label: str = "",
    engine: Engine = "processes",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[R]:
    """`[function(item) for item in items]`, in that order, with one thread inside each worker.

    function and items must pickle, so that every engine can take them. An exception in a worker is raised here as
    itself. Raises UserError for an unknown engine, or for "ray" when Ray is not installed.
    """
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}; allowed: {', '.join(ENGINES)}")
    jobs = list(items)
    progress = progress or Progress(quiet=True)
    with _results(function, jobs, engine, workers) as results:
        return list(progress.track(label, results, total=len(jobs)) if label else results)


@contextmanager
def _results(function: Callable[[T], R], jobs: list[T], engine: Engine, workers: int | None) -> Iterator[Iterator[R]]:
    count = 1 if engine == "serial" else min(worker_count(workers), max(len(jobs), 1))
    try:
        if engine == "ray":
            yield _parallel(function, jobs, _start_ray(workers), backend="ray")
        elif count == 1:
            # The same single thread as a worker has, so that sums are added in the same order.
            from threadpoolctl import threadpool_limits

            with threadpool_limits(1):
                yield map(function, jobs)
        else:
            yield _parallel(function, jobs, count, backend="loky", inner_max_num_threads=1)
    except BaseException:
        shut_down(kill=True)
        raise


def _parallel(function: Callable[[T], R], jobs: list[T], count: int, backend: str, **options: Any) -> Iterator[R]:
    import joblib

    # loky starts a worker anew when its memory has grown, and no job is lost by that.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    with joblib.parallel_config(backend=backend, n_jobs=count, **options):
        parallel = joblib.Parallel(return_as="generator" if backend == "loky" else "list")
        with _interrupts_held():
            results = parallel(joblib.delayed(function)(job) for job in jobs)
        yield from results


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: they inherit that and never see it, so that we alone stop them.

    A terminal sends Ctrl-C to every process; a worker that is still importing would answer with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not a POSIX system
        yield
        return
    # Started by the first worker otherwise, it would let the signals of this thread through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def shut_down(kill: bool = False) -> None:
    """End the workers we started, so that their time and memory are counted and none outlives the run."""
    if "joblib.externals.loky.reusable_executor" in sys.modules:
        from joblib.externals.loky import reusable_executor

        if reusable_executor._executor is not None:
            reusable_executor._executor.shutdown(wait=True, kill_workers=kill)
    if _our_ray:
        _our_ray.pop().shutdown()


_our_ray: list[Any] = []


def _start_ray(workers: int | None) -> int:
    """Join the cluster of RAY_ADDRESS, or start Ray on this machine; returns the number of workers to use."""
    try:
        ray = importlib.import_module("ray")
        register_ray = importlib.import_module("ray.util.joblib").register_ray
    except ImportError:
        raise UserError('--engine ray needs Ray, which is not installed: pip install -e ".[ray]"') from None
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"num_cpus": worker_count(workers), "include_dashboard": False}
        one_thread = {"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")}
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=one_thread, **local)
        # It stays for the next fan-out of this run: starting takes seconds.
        _our_ray.append(ray)
    register_ray()
    return workers or int(ray.cluster_resources().get("CPU", 1))
