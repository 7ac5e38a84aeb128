"""Notebooks from their sources: python notebooks/build.py, or with --check, fail if one is not in step.

One way only: `notebooks/src/NN_slug.py` (percent format) is the source, `notebooks/NN_slug.ipynb` is made from it, with
stable cell ids and without outputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent


def built(source: Path) -> str:
    """The notebook of a percent-format source, as the text of its .ipynb file."""
    notebook = jupytext.read(source)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{source.stem}-{number:02d}"
        cell["metadata"] = {}
    return str(nbformat.writes(notebook, version=4)) + "\n"


def main(check: bool) -> int:
    """Write every notebook, or say which ones are not in step."""
    stale = []
    for source in sorted((HERE / "src").glob("*.py")):
        target = HERE / f"{source.stem}.ipynb"
        text = built(source)
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if not check:
                target.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not in step with their sources: {', '.join(stale)}; run: make notebooks")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
