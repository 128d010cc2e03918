"""The engine store builds once, hands out only what it wrote, and survives whatever happens."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from store_process import KEY, KILLED_IN, PLAN

from mmser_ros.runtime.store import Key, Store, default_folder

PROCESS = Path(__file__).parent / "store_process.py"


class Backend:
    """Builds PLAN or what it is told to, and counts how often."""

    def __init__(self, plan: bytes = PLAN) -> None:
        self.plan, self.built, self.loads = plan, 0, 0

    def build(self) -> bytes:
        self.built += 1
        return self.plan

    def load(self, plan: bytes | memoryview) -> bytes:
        self.loads += 1
        return bytes(plan)

    def fetch(self, store: Store, key: Key = KEY) -> bytes:
        return store.fetch(key, self.build, self.load)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def kept(store: Store, caplog: pytest.LogCaptureFixture) -> Path:
    """The folder of an engine that was built and can be used."""
    Backend().fetch(store)
    caplog.clear()
    caplog.set_level(logging.INFO)
    return store.folder / KEY.folder


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROCESS), str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()


def builds(folder: Path) -> int:
    file = folder.with_suffix(".builds")
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_an_engine_is_built_once_and_then_loaded(store: Store) -> None:
    backend = Backend()
    assert [backend.fetch(store) for _ in range(3)] == [PLAN] * 3
    assert (backend.built, backend.loads) == (1, 3)
    (entry,) = store.entries()
    assert entry.manifest is not None and entry.manifest.key == KEY
    written = json.loads((entry.folder / "manifest.json").read_text())
    assert written["key"]["capability"] == "8.7" and len(written["sha256"]) == 64


def test_a_plan_may_be_a_view_of_foreign_memory(store: Store) -> None:
    assert store.fetch(KEY, lambda: memoryview(bytearray(PLAN)), bytes) == PLAN
    assert store.fetch(KEY, Backend(b"not needed").build, bytes) == PLAN


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("weights", "weights0", "weights weights1 instead of weights0"),
        ("graph", "graph0", "graph graph1 instead of graph0"),
        ("backend", "abacus 2.0", "backend abacus 1.0 instead of abacus 2.0"),
        ("device", "stone", "device wood instead of stone"),
        ("capability", "", "capability 8.7 instead of none"),
        ("precision", "fp32", "precision fp16 instead of fp32"),
        ("shapes", {"x": "1..16"}, "other shapes"),
    ],
)
def test_another_engine_is_built_beside_it_and_the_difference_said(
    store: Store,
    kept: Path,
    caplog: pytest.LogCaptureFixture,
    field: str,
    value: object,
    reason: str,
) -> None:
    backend, key = Backend(b"another"), dataclasses.replace(KEY, **{field: value})
    assert backend.fetch(store, key) == backend.fetch(store, key) == b"another"
    assert backend.built == 1
    assert f"Building tiny decode for {key.backend}: the last one was of {reason}." in caplog.text
    assert Backend(b"not needed").fetch(store) == PLAN


def truncate(folder: Path) -> None:
    (folder / "plan").write_bytes(PLAN[:-1])


def corrupt(folder: Path) -> None:
    (folder / "plan").write_bytes(b"W" + PLAN[1:])


def lose_plan(folder: Path) -> None:
    (folder / "plan").unlink()


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def garble(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"key": {"name": 1}}')


def mistype(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace(f'"size": {len(PLAN)}', f'"size": "{len(PLAN)}"'))


def open_to_all(folder: Path) -> None:
    (folder / "plan").chmod(0o666)


def foreign(folder: Path) -> None:
    """What a person might do who copies an engine over from another robot."""
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"wood"', '"stone"'))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "it has 16999 bytes and should have 17000"),
        (corrupt, "its SHA-256 differs"),
        (lose_plan, "its plan is missing"),
        (lose_manifest, "its manifest.json is missing"),
        (garble, "its manifest cannot be understood"),
        (mistype, "a number was expected"),
        (open_to_all, "others than this user can have written"),
        (foreign, "it is of device stone instead of wood"),
    ],
)
def test_what_was_not_written_so_is_never_handed_out(
    store: Store, kept: Path, caplog: pytest.LogCaptureFixture, damage, reason: str
) -> None:
    damage(kept)
    backend = Backend(b"built anew")
    assert backend.fetch(store) == b"built anew" and backend.loads == 1
    assert reason in caplog.text
    assert Backend(b"not needed").fetch(store) == b"built anew"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_plan_is_not_handed_out(
    store: Store, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(kept / "plan", 12345, 12345)
    assert Backend(b"mine").fetch(store) == b"mine"
    assert "others than this user" in caplog.text


def test_an_engine_that_cannot_be_loaded_is_built_anew(
    store: Store, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def load(plan: bytes | memoryview) -> bytes:
        if bytes(plan) == PLAN:
            raise RuntimeError("magic tag does not match")
        return bytes(plan)

    assert store.fetch(KEY, Backend(b"better").build, load) == b"better"
    assert "the kept one cannot be loaded (magic tag does not match)." in caplog.text


def test_a_new_engine_that_cannot_be_loaded_is_an_error_and_not_kept(store: Store) -> None:
    def load(plan: bytes | memoryview) -> bytes:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        store.fetch(KEY, Backend().build, load)
    assert store.entries() == []


def test_a_failed_build_is_an_error_and_leaves_no_lock(store: Store) -> None:
    def build() -> bytes:
        raise ValueError("no such operator")

    with pytest.raises(ValueError, match="no such operator"):
        store.fetch(KEY, build, bytes)
    assert Backend().fetch(store) == PLAN


def test_two_processes_that_start_together_build_once(store: Store) -> None:
    racers = [start(store.folder, "seconds=1.5") for _ in range(2)]
    said = [end(racer)[0] for racer in racers]
    assert [text.splitlines()[-1] for text in said] == [str(len(PLAN))] * 2
    assert builds(store.folder) == 1
    one, other = sorted(said)
    assert "building tiny decode 0:01" in one
    assert "waiting for another process that builds an engine 0:00" in other


def test_threads_build_once_too(store: Store) -> None:
    backend = Backend()
    threads = [threading.Thread(target=backend.fetch, args=(store,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (backend.built, backend.loads) == (1, 4)


@pytest.mark.parametrize("place", KILLED_IN)
def test_a_kill_at_any_moment_leaves_a_working_store(store: Store, place: str) -> None:
    killed = start(store.folder, f"die={place}")
    _, errors = end(killed)
    assert killed.returncode == -signal.SIGKILL, errors
    backend = Backend()
    began = time.monotonic()
    assert backend.fetch(store) == backend.fetch(store) == PLAN
    assert backend.built == 1 and time.monotonic() - began < 5  # nobody holds the lock
    (entry,) = store.entries()
    assert sorted(path.name for path in entry.folder.iterdir()) == ["manifest.json", "plan"]


def test_a_kill_from_outside_lets_the_waiting_process_build(store: Store) -> None:
    killed = start(store.folder, "seconds=60")
    while not builds(store.folder):
        assert killed.poll() is None
        time.sleep(0.02)
    waiting = start(store.folder)
    assert "waiting for another process" in waiting.stdout.readline()
    killed.kill()
    said, errors = end(waiting)
    end(killed)
    assert said.splitlines()[-1] == str(len(PLAN)), errors
    assert builds(store.folder) == 2


@pytest.mark.parametrize("size", [50, 17000], ids=["in the manifest", "in the plan"])
def test_a_full_disk_gives_a_sentence_and_the_engine(store: Store, size: int) -> None:
    said, errors = end(process := start(store.folder, "room=100", f"size={size}"))
    assert process.returncode == 0 and said.splitlines()[-1] == str(size)
    assert "WARNING The engine is not kept and will be built again at every start" in errors
    assert "File too large" in errors and "XDG_CACHE_HOME" in errors
    assert store.entries() == [] and Backend().fetch(store) == PLAN


def test_a_folder_that_cannot_be_made_gives_a_sentence_and_the_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    store, backend = Store(tmp_path / "file" / "engines"), Backend()
    assert [backend.fetch(store) for _ in range(2)] == [PLAN] * 2
    assert backend.built == 2 and store.entries() == []
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 2 and "Not a directory" in warnings[0]


def test_a_store_that_can_only_be_read_hands_out_what_it_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Path(tempfile.mkdtemp())  # tmp_path is not for the eyes of others
    place.chmod(0o755)
    store, me = Store(place / "store"), os.geteuid()
    Backend().fetch(store)
    folders = [store.folder, store.folder / KEY.folder]
    try:
        for folder in folders:
            folder.chmod(0o555)
        if me == 0:  # who may write everywhere
            os.seteuid(12345)
        assert Backend(b"not needed").fetch(store) == PLAN
        assert "not kept" not in caplog.text
        other = dataclasses.replace(KEY, weights="weights2")
        assert Backend(b"other").fetch(store, other) == b"other"
        assert "Permission denied" in caplog.text
    finally:
        os.seteuid(me)
        for folder in folders:
            folder.chmod(0o755)
        shutil.rmtree(place)


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=3 * (len(PLAN) + 600))
    keys = [dataclasses.replace(KEY, weights=f"w{number}") for number in range(4)]
    for age, key in zip((30, 20, 10), keys, strict=False):
        Backend().fetch(store, key)
        then = time.time() - age
        os.utime(tmp_path / key.folder / "manifest.json", (then, then))
    Backend(b"not needed").fetch(store, keys[0])
    (tmp_path / "notes").mkdir()
    Backend().fetch(store, keys[3])
    left = {entry.manifest.key.weights for entry in store.entries() if entry.manifest}
    assert left == {"w0", "w2", "w3"}
    assert (tmp_path / "notes").is_dir()


def test_an_engine_larger_than_the_limit_is_run_and_not_kept(
    store: Store, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = Store(store.folder, limit=1000)
    other = dataclasses.replace(KEY, name="tiny encode")
    assert Backend(b"x" * 2000).fetch(small, other) == b"x" * 2000
    assert "tiny encode is not kept" in caplog.text
    assert Backend(b"not needed").fetch(store) == PLAN


def test_the_folder_follows_xdg_and_falls_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Store().folder == default_folder() == tmp_path / "mmser_ros" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder().is_relative_to(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert default_folder().name == "engines"
