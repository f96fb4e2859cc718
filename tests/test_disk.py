"""Files that are written whole or not at all, the limit of a folder, progress bars."""

import hashlib
import os

import pytest

from helpers import disk


def test_the_cache_folder_moves_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "here"))
    assert disk.cache_folder() == tmp_path / "here"
    monkeypatch.setenv("COURSE_CACHE", "~/there")
    assert disk.cache_folder().is_absolute() and "~" not in str(disk.cache_folder())
    monkeypatch.delenv("COURSE_CACHE")
    assert disk.cache_folder().name == "transfer-learning-course"


def test_a_file_is_written_with_its_folder(tmp_path):
    file = tmp_path / "new" / "file"
    disk.write_atomic(file, b"one")
    disk.write_atomic(file, lambda to: to.write(b"two"))
    assert file.read_bytes() == b"two" and os.listdir(file.parent) == ["file"]


def test_a_failed_writing_leaves_what_was_there(tmp_path):
    def half(to):
        to.write(b"half")
        raise OSError("full")

    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="full"):
        disk.write_atomic(file, half)
    assert file.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert disk.sha256_of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_the_files_unused_for_longest_go_first(tmp_path):
    for used, name in enumerate(["c", "a", "b", "d"]):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (used, used))
    (tmp_path / "folder").mkdir()
    os.utime(tmp_path / "c")  # used just now
    disk.evict(tmp_path, 400)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c", "d", "folder"]
    disk.evict(tmp_path, 300)
    assert sorted(os.listdir(tmp_path)) == ["b", "c", "d", "folder"]
    disk.evict(tmp_path, 250)
    assert sorted(os.listdir(tmp_path)) == ["c", "d", "folder"]
    disk.evict(tmp_path / "none", 0)  # there is no such folder: nothing to do


def test_progress_shows_and_is_silent(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROGRESS", "0")
    assert list(disk.progress(range(3), "counting")) == [0, 1, 2]
    assert disk.quiet() and capsys.readouterr().err == ""
    monkeypatch.delenv("COURSE_PROGRESS")
    assert list(disk.progress(range(3), "counting")) == [0, 1, 2]
    assert not disk.quiet() and "counting" in capsys.readouterr().err
