"""HiGHS, alone in its process: python -m demos.renewables.dispatch.highs model.mps seconds

Two builds of HiGHS, that of OR-Tools and that of highspy, cannot be loaded into one process, so whoever has highspy
installed keeps it away from here: this module imports neither it nor PuLP.
"""

from __future__ import annotations

import json
import sys


def main(file: str, seconds: float) -> None:
    """Solve an MPS file; the last line printed is JSON: status, and the values by name when it is optimal."""
    from ortools.linear_solver.python import model_builder

    model = model_builder.Model()
    if not model.import_from_mps_file(file):
        raise SystemExit(f"cannot read {file}")
    solver = model_builder.Solver("HIGHS")
    if not solver.solver_is_supported():
        raise SystemExit("this build of OR-Tools has no HiGHS")
    solver.set_time_limit_in_seconds(seconds)
    solver.enable_output(False)
    status = solver.solve(model)
    names = {
        model_builder.SolveStatus.OPTIMAL: "optimal",
        model_builder.SolveStatus.INFEASIBLE: "infeasible",
        model_builder.SolveStatus.UNBOUNDED: "unbounded",
    }
    answer: dict[str, object] = {"status": names.get(status, "limit")}
    if answer["status"] == "optimal":
        answer["values"] = {variable.name: solver.value(variable) for variable in model.get_variables()}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
