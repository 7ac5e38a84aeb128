"""The rules of the house, held over whatever demos there are."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import time
import tomllib
import types
import typing
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from demos import DEMOS
from shared import data, provenance, registry
from shared.commands.show import profile_comment
from shared.config import config_folder, load, profiles, walk
from shared.execute import Options, execute
from shared.yaml12 import read_mapping
from tests.conftest import ROOT, Trendlab, contributing_files, contributing_lines

PROFILES = ["smoke", "cpu", "gpu"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
slugs = pytest.mark.parametrize("slug", sorted(DEMOS))


def tracked(*suffixes: str) -> list[Path]:
    """Files that git knows or would know, with one of these suffixes."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    files = [ROOT / name for name in listed if name.endswith(suffixes or ("",))]
    return [file for file in files if file.is_file()]


def imports(file: Path) -> Iterator[str]:
    """Dotted names of all modules a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def test_shared_never_imports_demos() -> None:
    wrong = {
        str(file) for file in (ROOT / "shared").rglob("*.py") for name in imports(file) if name.split(".")[0] == "demos"
    }
    assert wrong == set()


@slugs
def test_no_demo_imports_another_or_uses_relative_imports(slug: str) -> None:
    for file in (ROOT / "demos" / slug).rglob("*.py"):
        for name in imports(file):
            parts = name.split(".")
            assert not name.startswith("."), file
            assert parts[0] != "demos" or parts[1:2] in ([], [slug]), f"{file} imports {name}"


def needed(slug: str) -> set[str]:
    """Distributions that a demo, and what of `shared` it imports, directly or not, would import."""
    todo, seen, found = list((ROOT / "demos" / slug).rglob("*.py")), set[Path](), set[str]()
    of = metadata.packages_distributions()
    while todo:
        if (file := todo.pop()) in seen:
            continue
        seen.add(file)
        for name in imports(file):
            parts = name.split(".")
            if parts[0] == "shared":
                places = (ROOT.joinpath(*parts[:count]) for count in (len(parts), len(parts) - 1))
                todo += [file for place in places if (file := place.with_suffix(".py")).is_file()]
            elif parts[0] != "demos" and parts[0] not in sys.stdlib_module_names:
                found.add(normal(of.get(parts[0], [parts[0]])[0]))
    return found


@slugs
def test_an_extra_names_all_that_its_demo_imports(slug: str) -> None:
    extras = PROJECT["optional-dependencies"]
    named = {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in [*PROJECT["dependencies"], *extras[slug]]}
    # Of these: matplotlib, pydantic and transformers always bring them; the last two are options that say so.
    brought, options = {"cycler", "pydantic-core", "huggingface-hub"}, {"ray", "usearch"}
    assert needed(slug) - named - brought - options == set()


def test_the_registry_is_the_folders() -> None:
    folders = {path.name for path in (ROOT / "demos").iterdir() if path.is_dir() and path.name != "__pycache__"}
    configs = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert set(DEMOS) == folders == configs


@slugs
def test_a_demo_has_its_parts(slug: str) -> None:
    expected = ["README.md", "config.py", "data.py", "demo.py", "evaluate.py"]
    assert [name for name in expected if not (ROOT / "demos" / slug / name).is_file()] == []
    assert (ROOT / "tests" / "demos" / slug).is_dir()
    demo = registry.get(slug)
    assert demo.slug == slug
    # `make demo DEMO=slug` installs the extra of that name.
    assert {slug, demo.extra} <= set(PROJECT["optional-dependencies"])
    every = " ".join(PROJECT["optional-dependencies"]["all"])
    assert demo.extra in every


@slugs
def test_configs_are_valid_and_say_what_to_expect(slug: str) -> None:
    assert profiles(slug)[:3] == PROFILES
    assert (ROOT / "configs" / slug / "base.yaml").is_file()
    for profile in profiles(slug):
        load(registry.get(slug).config, slug, profile)
        assert len(profile_comment(slug, profile)) > 30, f"{slug}/{profile}.yaml must open with what to expect"


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """All pydantic models inside an annotation."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
            for field in annotation.model_fields.values():
                yield from models(field.annotation)
    else:
        for argument in typing.get_args(annotation):
            yield from models(argument)


@slugs
def test_every_config_field_is_described_and_every_section_is_closed(slug: str) -> None:
    for model in models(registry.get(slug).config):
        missing = [name for name, field in model.model_fields.items() if not field.description]
        assert missing == [], f"{model.__name__} needs descriptions"
        assert model.model_config.get("extra") == "forbid", model
        assert model.model_config.get("frozen") is True, model


@slugs
def test_data_are_listed_with_licence_and_checksum(slug: str) -> None:
    file = data.manifest_file(slug)
    if file.is_file():
        assert data.read_manifest(file).packages


@slugs
@pytest.mark.slow
def test_the_same_seed_gives_the_same_metrics(slug: str, tmp_path: Path) -> None:
    demo = registry.get(slug)
    if provenance.missing(demo.extra):
        pytest.skip(provenance.install_command(demo.extra))
    config = load(demo.config, slug, "smoke")
    first, second = (execute(demo, config, "smoke", Options(tmp_path, quiet=True))[1].result for _ in range(2))
    assert stable(first) == stable(second)
    assert first.headlines


def stable(result: Any) -> list[Any]:
    """All numbers but wall times and ratios of them, which differ from run to run."""
    numbers = [*result.headlines, *result.metrics]
    timed = [number.unit in ("s", "ms", "µs") or "as fast" in number.name for number in numbers]
    return [(number.name, number.value) for number, skip in zip(numbers, timed, strict=True) if not skip]


BLOCKER = """
import sys
blocked = set(sys.argv.pop(1).split())
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not in the base install", name=name)
sys.meta_path.insert(0, Blocker())
from shared.cli import app
app(sys.argv[1:])
"""


def beyond_the_base() -> set[str]:
    """Importable names of all installed packages that the base install does not bring."""
    base, queue = set(), ["trendlab"]
    while queue:
        name = normal(queue.pop())
        if name not in base and provenance.version(name):
            base.add(name)
            lines = [line for line in metadata.requires(name) or [] if "extra ==" not in line]
            queue += [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in lines]
    owners = metadata.packages_distributions()
    return {"torch"} | {module for module, names in owners.items() if base.isdisjoint(map(normal, names))}


@pytest.mark.parametrize("command", ["list", "info", "config"])
def test_the_base_install_lists_and_explains_every_demo(command: str) -> None:
    blocked = beyond_the_base()
    assert {"pandas", "torch", "lightgbm", "pytest"} <= blocked
    assert blocked.isdisjoint({"numpy", "typer", "shared"})
    for arguments in [["list"]] if command == "list" else [[command, slug] for slug in sorted(DEMOS)]:
        words = [sys.executable, "-c", BLOCKER, " ".join(blocked), *arguments]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "shared.cli", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 1.0


def test_the_demo_of_contributing_works_and_has_twenty_lines(trendlab: Trendlab, tmp_path: Path) -> None:
    done = trendlab("run", "coins", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    report = Path(done.stdout.splitlines()[-1])
    assert "How fair is a simulated coin?" in report.read_text()
    assert len([line for line in contributing_files()["demos/coins/demo.py"].splitlines() if line.strip()]) <= 20


def test_contributing_names_every_part_of_a_demo() -> None:
    parts = {f"demos/coins/{name}" for name in ("README.md", "config.py", "data.py", "demo.py", "evaluate.py")}
    parts |= {f"configs/coins/{name}.yaml" for name in ("base", *PROFILES)}
    assert set(contributing_files()) == parts
    assert set(contributing_lines()) == {"demos/__init__.py", "pyproject.toml"}
    assert contributing_lines()["pyproject.toml"] == "coins = []\n"


def commands() -> list[tuple[str, str]]:
    """Every `trendlab` and `make` command in a console block of our own Markdown: (file, command)."""
    found = []
    for file in tracked(".md"):
        blocks = re.findall(r"^```(?:console|shell|bash|sh)\n(.*?)^```", file.read_text(), re.M | re.S)
        lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
        found += [(str(file.relative_to(ROOT)), line) for line in lines if line.startswith(("trendlab ", "make "))]
    return found


def test_commands_in_the_documents_are_valid(trendlab: Trendlab) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    wrong = []
    for file, command in commands():
        words = re.sub(r"\s+#.*$", "", command).split()
        if words[0] == "make":
            named = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
            wrong += [f"{file}: {command}" for word in named if word not in targets]
        elif problem := dry(words[1:], trendlab):
            wrong.append(f"{file}: {command}: {problem}")
    assert wrong == []


def dry(words: list[str], trendlab: Trendlab) -> str:
    """What is wrong with a documented command line; empty when nothing is. Nothing is run."""
    if any(re.search(r"[<>\[\]{}…]|^[A-Z]+$", word) for word in words) or words[:1] in ([], ["--help"]):
        return ""  # a pattern, not a command
    if words[0] in ("run", "bench"):
        if "coins" in words:
            return trendlab(*words, "--dry-run").stderr
        own = [word for index, word in enumerate(words) if "--config" not in (word, words[index - 1])]
        return call(*own, "--dry-run")
    if words[0] in ("info", "config", "list", "doctor"):
        return call(*words)
    verbs = ("report", "compare", "data", *registry.verbs())
    return call(words[0], "--help") if words[0] in verbs else "unknown verb"


def call(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "shared.cli", *words], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def test_files_are_short_finished_and_small() -> None:
    marker = "TO" + "DO"
    for file in tracked(".py", ".yaml", ".toml", ".j2", ".css", "Makefile"):
        lines = file.read_text(encoding="utf-8").splitlines()
        # base.yaml is printed from the config: as long as there are settings.
        assert len(lines) <= 400 or file.name == "base.yaml", f"{file} has {len(lines)} lines"
        assert not any(marker in line or "FIX" + "ME" in line for line in lines), file
    # Weights ship as safetensors and have a limit of their own.
    limits = {".safetensors": 25_000_000}
    large = [str(file) for file in tracked() if file.stat().st_size > limits.get(file.suffix, 5_000_000)]
    assert large == []


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for folder in ("shared", "demos")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > 55
    ]
    assert long == []


def test_constraints_are_names_and_versions_of_everything_we_ask_for() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line)] == []
    pinned = {normal(line.split("==")[0]) for line in lines}
    wanted = [
        *PROJECT["dependencies"],
        *(name for extra in PROJECT["optional-dependencies"].values() for name in extra),
    ]
    names = {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in wanted} - {"trendlab"}
    assert names <= pinned


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_base_install_stays_small() -> None:
    heavy = {"torch", "pandas", "ortools", "lightgbm", "pyarrow", "scipy", "ray"}
    assert heavy.isdisjoint(normal(re.split(r"[<>=]", line)[0]) for line in PROJECT["dependencies"])
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]


def test_help_of_make_names_every_public_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    assert all(re.search(rf"^{target}:.*## ", makefile, re.M) for target in phony.split())


def test_workflow_files_are_valid_yaml() -> None:
    for file in tracked(".yaml", ".yml"):
        yaml.safe_load(file.read_text())


@slugs
def test_base_config_is_complete(slug: str) -> None:
    """base.yaml shows every setting, so that a reader need not open the code."""
    written = read_mapping(config_folder(slug) / "base.yaml")
    for name, _ in walk(registry.get(slug).config):
        at: Any = written
        for part in name.split("."):
            assert part in at, f"configs/{slug}/base.yaml lacks {name}"
            at = at[part]


def test_what_documents_point_to_is_there() -> None:
    """Pictures and files, by relative links; a heading in a file is not looked for."""
    found = [
        (file.relative_to(ROOT), link)
        for file in tracked(".md")
        for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", file.read_text(encoding="utf-8"))
        if "://" not in link and not (file.parent / link).exists()
    ]
    assert found == []
