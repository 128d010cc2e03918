"""One slot for frames, a short queue for goals, and nothing lost without being counted."""

from __future__ import annotations

import sys
import threading
import time

from mmser_ros.node.mailbox import Mailbox


def test_newest_frame_replaces_the_waiting_one_and_says_so() -> None:
    box: Mailbox[int, str] = Mailbox()
    assert box.put(1) is False
    assert box.put(2) is True
    assert box.put(3) is True
    assert box.waiting
    assert box.take(0) == 3
    assert not box.waiting
    assert box.take(0) is None


def test_take_waits_for_a_frame_and_no_longer_than_asked() -> None:
    box: Mailbox[int, str] = Mailbox()
    began = time.monotonic()
    assert box.take(0.05) is None
    assert 0.04 < time.monotonic() - began < 1
    threading.Timer(0.05, box.put, [7]).start()
    assert box.take(5) == 7
    assert time.monotonic() - began < 3


def test_an_awaited_frame_is_handed_over_though_the_putting_thread_goes_on_computing() -> None:
    box: Mailbox[int, str] = Mailbox()
    taken: dict[int, float] = {}

    def take() -> None:
        for _ in range(20):
            frame = box.take(5)
            assert isinstance(frame, int)
            taken[frame] = time.monotonic()

    taker = threading.Thread(target=take)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1.0)  # nobody is made to let go of the interpreter
    done = []
    try:
        taker.start()
        for number in range(20):
            time.sleep(0.01)
            box.put(number)
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                pass
            done.append(end)
    finally:
        sys.setswitchinterval(usual)
        taker.join(10)
    assert sum(taken[number] < end for number, end in enumerate(done)) >= 10


def test_goals_keep_their_order_and_a_full_queue_refuses() -> None:
    box: Mailbox[int, str] = Mailbox(goals=2)
    assert box.ask("a")
    assert box.ask("b")
    assert not box.ask("c")
    assert [box.take(0), box.take(0), box.take(0)] == ["a", "b", None]


def test_goals_and_frames_take_turns() -> None:
    box: Mailbox[int, str] = Mailbox()
    for goal in "abc":
        box.ask(goal)
    box.put(1)
    taken = [box.take(0), box.take(0), box.take(0)]
    assert taken == ["a", 1, "b"]
    box.put(2)
    assert [box.take(0), box.take(0)] == [2, "c"]


def test_frames_can_be_left_waiting_while_goals_are_answered() -> None:
    box: Mailbox[int, str] = Mailbox()
    box.put(1)
    assert box.take(0.01, frames=False) is None
    box.ask("a")
    assert box.take(0, frames=False) == "a"
    assert box.waiting
    assert box.take(0) == 1


def test_clear_forgets_the_frame_but_not_the_goals() -> None:
    box: Mailbox[int, str] = Mailbox()
    box.put(1)
    box.ask("a")
    box.clear()
    assert [box.take(0), box.take(0)] == ["a", None]


def test_close_wakes_the_taker_and_hands_back_unanswered_goals() -> None:
    box: Mailbox[int, str] = Mailbox()
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.append(box.take(30)))
    taker.start()
    time.sleep(0.02)
    assert box.close() == []
    taker.join(5)
    assert taken == [None]

    other: Mailbox[int, str] = Mailbox()
    other.ask("a")
    other.put(1)
    assert other.close() == ["a"]
    assert not other.put(2)
    assert not other.ask("b")
    assert other.take(0) is None


def test_every_frame_of_many_threads_is_taken_or_counted() -> None:
    box: Mailbox[int, str] = Mailbox()
    frames, writers, taken = 2000, 3, 0
    replaced: list[int] = []

    def write() -> None:
        replaced.append(sum(box.put(frame) for frame in range(frames)))

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or box.waiting:
        taken += box.take(0.001) is not None
    assert taken + sum(replaced) == frames * writers
