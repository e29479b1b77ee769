"""Debian packages by name: found, fetched and checked by apt with private lists, or taken from the user's folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from multimodel.errors import InputError
from multimodel.folders import packages_folder

LISTS_LAST_SECONDS = 24 * 3600
LOCATION = re.compile(r"^'[^']*' (?P<file>\S+) (?P<size>\d+) (?P<algorithm>SHA256|SHA512):(?P<digest>[0-9a-f]+)$", re.M)
APT_SETTINGS = """\
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


class PackageError(InputError):
    """A package cannot be found, fetched or read; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package file on this machine."""

    name: str
    version: str
    sha256: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Location:
    """What apt knows about a package file that it can fetch."""

    file: str
    size: int
    algorithm: str
    digest: str

    @property
    def name(self) -> str:
        """The package's name."""
        return self.file.split("_")[0]


def fetch(patterns: Sequence[str], *, folder: Path | None = None, progress: bool = True) -> dict[str, Package]:
    """The package for each name (or shell pattern of names, when a name carries a version).

    Taken from `folder` if given, otherwise from the cache or by apt. Raises PackageError.
    """
    if folder is not None:
        return _from_folder(patterns, folder)
    if not shutil.which("apt-get"):
        raise PackageError(f"This machine has no apt-get to fetch packages with. {by_hand(patterns)}")
    with Console(quiet=not progress).status("reading apt's package lists"):
        apt = Apt.prepare(packages_folder() / "apt")
    names = apt.resolve(patterns)
    paths = _download_missing(apt, apt.locate(sorted(set(names.values()))), progress)
    return {pattern: package_at(paths[name]) for pattern, name in names.items()}


def by_hand(patterns: Sequence[str]) -> str:
    """Instructions for a machine that cannot fetch these packages itself."""
    return (
        f"Fetch the .deb files of these packages on any machine: {', '.join(patterns)} (search for each name at "
        "https://packages.debian.org, architecture 'all'; * stands for the version). Put them into one folder and "
        "name it: multimodel data build mini8 --packages FOLDER"
    )


def package_at(path: Path) -> Package:
    """The package in a file that is named `name_version_architecture.deb`."""
    name, version = [*path.name.removesuffix(".deb").split("_"), ""][:2]
    return Package(name=name, version=unquote(version), sha256=digest_of(path, "sha256"), path=path)


def digest_of(path: Path, algorithm: str) -> str:
    """Hash of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def verify(path: Path, algorithm: str, digest: str) -> None:
    """Raise PackageError, naming the file, unless its content has this hash."""
    found = digest_of(path, algorithm)
    if found != digest:
        raise PackageError(f"{path} is damaged: its {algorithm} is {found}, but apt promises {digest}. Run it again.")


def _from_folder(patterns: Sequence[str], folder: Path) -> dict[str, Package]:
    if not folder.is_dir():
        raise PackageError(f"{folder} is not a folder. {by_hand(patterns)}")
    files = sorted(folder.glob("*.deb"))
    found = {pattern: [file for file in files if fnmatchcase(file.name.split("_")[0], pattern)] for pattern in patterns}
    if missing := [pattern for pattern, matches in found.items() if not matches]:
        raise PackageError(f"{folder} lacks {len(missing)} of {len(patterns)} packages. {by_hand(missing)}")
    for pattern, matches in found.items():
        if len(matches) > 1:
            raise PackageError(f"{folder} holds {', '.join(m.name for m in matches)} for {pattern}: leave only one.")
    return {pattern: package_at(matches[0]) for pattern, matches in found.items()}


@dataclass(frozen=True, kw_only=True)
class Apt:
    """apt with lists and cache of its own, so that no root is needed and the system's lists are left alone."""

    folder: Path
    trouble: str = ""

    @classmethod
    def prepare(cls, folder: Path) -> Apt:
        """Write the settings and fetch the package lists, if they are older than a day.

        When that fails the lists from before are used: `trouble` keeps apt's words in case a package is missing then.
        """
        for place in ("lists/partial", "cache/archives/partial"):
            (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / "apt.conf").write_text(APT_SETTINGS.format(folder=folder))
        stamp = folder / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_LAST_SECONDS:
            return cls(folder=folder)
        result = cls(folder=folder).run("apt-get", "update")
        if result.returncode:
            return cls(folder=folder, trouble=f"apt-get update failed: {result.stderr.strip()[-500:]}\n")
        stamp.touch()
        return cls(folder=folder)

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run an apt program to its end."""
        return subprocess.run(self.command(program, *arguments), cwd=cwd, env=_plain(), capture_output=True, text=True)

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that uses the private settings."""
        return [program, "-q", "-c", str(self.folder / "apt.conf"), *arguments]

    def resolve(self, patterns: Sequence[str]) -> dict[str, str]:
        """The offered package that matches each pattern, with the highest version in its name where several do."""
        offered = self.run("apt-cache", "pkgnames").stdout.split()
        found = {pattern: [name for name in offered if fnmatchcase(name, pattern)] for pattern in patterns}
        if missing := [pattern for pattern, names in found.items() if not names]:
            raise PackageError(f"{self.trouble}apt knows no package {', '.join(missing)}. {by_hand(missing)}")
        return {pattern: max(names, key=_numbers) for pattern, names in found.items()}

    def locate(self, names: Sequence[str]) -> list[Location]:
        """Where the packages' files are and what they must hash to."""
        result = self.run("apt-get", "download", "--print-uris", *names)
        found = [
            Location(file=m["file"], size=int(m["size"]), algorithm=m["algorithm"].lower(), digest=m["digest"])
            for m in LOCATION.finditer(result.stdout)
        ]
        if missing := sorted(set(names) - {location.name for location in found}):
            message = f"{self.trouble}apt cannot fetch {', '.join(missing)}: {result.stderr.strip()[-500:]}"
            raise PackageError(f"{message}\n{by_hand(missing)}")
        return found


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _plain() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _download_missing(apt: Apt, locations: Sequence[Location], progress: bool) -> dict[str, Path]:
    """Files by package name, fetched where the cache lacks them or holds damaged ones."""
    paths = {location.name: packages_folder() / location.file for location in locations}
    missing = [location for location in locations if not _is_whole(paths[location.name], location)]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("packages", total=sum(location.size for location in missing), visible=bool(missing))
        for location in missing:
            bar.update(task, description=location.name)
            _download(apt, location, paths[location.name], bar, task)
    return paths


def _is_whole(path: Path, location: Location) -> bool:
    """Whether the cache has this file as apt promises it; a damaged one is removed."""
    if path.exists() and digest_of(path, location.algorithm) == location.digest:
        return True
    path.unlink(missing_ok=True)
    return False


def _download(apt: Apt, location: Location, path: Path, bar: Progress, task: TaskID) -> None:
    """Fetch into a folder that vanishes; only a whole file with the right hash is moved into the cache."""
    done = bar.tasks[task].completed
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = Path(folder) / location.file
        command = apt.command("apt-get", "download", location.name)
        with subprocess.Popen(
            command, cwd=folder, env=_plain(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as p:
            while p.poll() is None:
                time.sleep(0.1)
                bar.update(task, completed=done + (target.stat().st_size if target.exists() else 0))
            message = p.stderr.read().decode() if p.stderr else ""
        if not target.exists():
            raise PackageError(f"apt could not fetch {location.name}: {message.strip()}\n{by_hand([location.name])}")
        verify(target, location.algorithm, location.digest)
        target.rename(path)
    bar.update(task, completed=done + location.size)
