"""Packages: read without unpacking, checked, cached; every failure says what to do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from data_tiny import write_deb

from multimodel.data import packages
from multimodel.data.archive import members, single
from multimodel.data.packages import PackageError, fetch
from multimodel.folders import packages_folder


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2", ""])
def test_members_are_read_from_every_kind_of_package(tmp_path: Path, compression: str) -> None:
    deb = write_deb(
        tmp_path, "toys", {"usr/a.txt": b"one", "usr/b.bin": b"two", "usr/c.txt": b"three!"}, compression=compression
    )
    assert list(members(deb, ["*.txt"])) == [("usr/a.txt", b"one"), ("usr/c.txt", b"three!")]


def test_a_missing_member_is_an_error_that_names_it(tmp_path: Path) -> None:
    deb = write_deb(tmp_path, "toys", {"usr/a.txt": b"one"})
    with pytest.raises(PackageError, match=r"toys_.*holds no file \*/queen\.1c"):
        single(deb, "*/queen.1c")


@pytest.mark.parametrize("kept", [4, 70, 200, 300])
def test_a_cut_off_package_is_an_error_that_names_the_file(tmp_path: Path, kept: int) -> None:
    deb = write_deb(tmp_path, "toys", {"usr/a.txt": os.urandom(500)})
    deb.write_bytes(deb.read_bytes()[:kept])
    with pytest.raises(PackageError, match=r"toys_.*not a whole Debian package"):
        single(deb, "usr/a.txt")


def test_a_package_of_a_kind_that_is_not_read_says_so(tmp_path: Path) -> None:
    deb = write_deb(tmp_path, "toys", {"usr/a.txt": b"one"}, compression="xz")
    deb.write_bytes(deb.read_bytes().replace(b"data.tar.xz  ", b"data.tar.lzma"))
    with pytest.raises(PackageError, match=r"toys_.* holds its files as data\.tar\.lzma, which is not read: take"):
        single(deb, "usr/a.txt")


def test_a_folder_of_packages_is_used_as_it_is(tmp_path: Path) -> None:
    deb = write_deb(tmp_path, "wesnoth-1.18-httt", {"usr/a": b"x"})
    found = fetch(["wesnoth-*-httt"], folder=tmp_path)["wesnoth-*-httt"]
    assert (found.name, found.version, found.path) == ("wesnoth-1.18-httt", "1:2.0-1", deb)
    assert found.sha256 == hashlib.sha256(deb.read_bytes()).hexdigest()


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    write_deb(tmp_path, "toys", {})
    with pytest.raises(PackageError, match=r"lacks 2 of 3 packages.*dolls, games-\*-chess.*--packages FOLDER"):
        fetch(["toys", "dolls", "games-*-chess"], folder=tmp_path)


def test_two_versions_of_one_package_in_a_folder_are_refused(tmp_path: Path) -> None:
    write_deb(tmp_path, "games-1-chess", {})
    write_deb(tmp_path, "games-2-chess", {})
    with pytest.raises(PackageError, match="leave only one"):
        fetch(["games-*-chess"], folder=tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="nowhere is not a folder"):
        fetch(["toys"], folder=tmp_path / "nowhere")


def test_without_apt_the_message_says_what_to_fetch_and_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PackageError, match=r"no apt-get.*toys, dolls.*packages\.debian\.org.*--packages FOLDER"):
        fetch(["toys", "dolls"])


class FakeApt:
    """Programs called apt-get and apt-cache that serve packages from a folder and note their calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pool, self.log, self.fails = folder / "pool", folder / "log", folder / "fails"
        self.pool.mkdir()
        (folder / "bin").mkdir()
        self._write(folder / "bin" / "apt-cache", f'for f in {self.pool}/*.deb; do basename "$f" | cut -d_ -f1; done')
        self._write(
            folder / "bin" / "apt-get",
            f"""
shift 3
echo "$@" >> {self.log}
case "$1 $2" in
  update*) if [ -e {self.fails} ]; then echo "no network here" >&2; exit 100; fi ;;
  "download --print-uris")
    shift 2
    for name in "$@"; do for f in {self.pool}/${{name}}_*.deb; do
      echo "'http://pool' $(basename "$f") $(wc -c < "$f") SHA256:$(cat "$f.sha256")"; done; done ;;
  download*) cp {self.pool}/$2_*.deb . ;;
esac""",
        )
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def _write(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def serve(self, *names: str, digest: str | None = None) -> None:
        """Put packages into the pool."""
        for name in names:
            deb = write_deb(self.pool, name, {"usr/name": name.encode()})
            right = hashlib.sha256(deb.read_bytes()).hexdigest()
            deb.with_name(deb.name + ".sha256").write_text(digest or right)

    @property
    def calls(self) -> Sequence[str]:
        """What apt-get was asked for."""
        return self.log.read_text().split("\n")[:-1]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    return FakeApt(tmp_path, monkeypatch)


def test_packages_are_fetched_once_and_then_come_from_the_cache(apt: FakeApt) -> None:
    apt.serve("toys", "dolls")
    first = fetch(["toys", "dolls"], progress=False)
    second = fetch(["dolls", "toys"], progress=False)
    assert single(first["toys"].path, "usr/name") == b"toys"
    assert first == second
    assert first["toys"].path.parent == packages_folder()
    downloads = [call for call in apt.calls if call.startswith("download") and "--print-uris" not in call]
    assert sorted(downloads) == ["download dolls", "download toys"]
    assert apt.calls.count("update") == 1


def test_of_several_versions_in_names_the_highest_number_is_taken(apt: FakeApt) -> None:
    apt.serve("games-1.8-chess", "games-1.16-chess", "games-1.16-go")
    assert fetch(["games-*-chess"], progress=False)["games-*-chess"].name == "games-1.16-chess"


def test_a_wrong_checksum_names_the_file_and_leaves_nothing_in_the_cache(apt: FakeApt) -> None:
    apt.serve("toys", digest="0" * 64)
    with pytest.raises(PackageError, match=r"toys_1%3a2\.0-1_all\.deb is damaged: its sha256 is [0-9a-f]{64}, but"):
        fetch(["toys"], progress=False)
    assert list(packages_folder().glob("*.deb")) == []


def test_a_cached_file_that_was_damaged_since_is_fetched_again(apt: FakeApt) -> None:
    apt.serve("toys", "dolls")
    first = fetch(["toys", "dolls"], progress=False)
    path = first["toys"].path
    path.write_bytes(path.read_bytes()[:-1])
    assert fetch(["toys", "dolls"], progress=False) == first
    assert [apt.calls.count(f"download {name}") for name in ("toys", "dolls")] == [2, 1]


def test_a_package_that_apt_does_not_know_is_named_with_the_reason(apt: FakeApt) -> None:
    apt.serve("toys")
    apt.fails.touch()
    with pytest.raises(PackageError, match=r"(?s)no network here.*knows no package dolls.*--packages FOLDER"):
        fetch(["dolls"], progress=False)


def test_yesterdays_lists_do_when_no_new_ones_can_be_had(apt: FakeApt) -> None:
    apt.serve("toys")
    apt.fails.touch()
    assert fetch(["toys"], progress=False)["toys"].name == "toys"
    fetch(["toys"], progress=False)
    assert apt.calls.count("update") == 2  # a failed update is tried again


def test_lists_are_fetched_again_after_a_day(apt: FakeApt) -> None:
    apt.serve("toys")
    fetch(["toys"], progress=False)
    stamp = packages_folder() / "apt" / "updated"
    os.utime(stamp, (0, stamp.stat().st_mtime - packages.LISTS_LAST_SECONDS - 1))
    fetch(["toys"], progress=False)
    assert apt.calls.count("update") == 2
