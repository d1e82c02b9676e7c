"""At least 200 SIGKILLs of real local runs; every one resumed, every output byte-identical."""

import os
import random
import signal

import pytest

from runs import (Job, check_failed, check_finished, command_line, descendants_of, finish,
                  note_committed, wait_committed, wait_gone, wait_killed)

# Every step of the protocol at which a crash could lose or double something.
FAULT_POINTS = [
    "after_job", "after_plan", "before_create", "after_create", "before_put", "after_put",
    "segment_rows", "segment_index", "segment_attempts", "segment_synced",
    "while_sealing", "after_seal", "publish_copied", "publish_renamed", "after_publish",
    "after_result",
]
# Of these, those that a run passes once.
PASSED_ONCE = {"after_job", "after_plan", "after_seal", "publish_renamed", "after_publish",
               "after_result"}
# Steps that an undisturbed, even job does not take.
SPLIT_POINTS = ["after_split", "after_child"]  # after_split: a ticket without its child
CONTROL_POINTS = ["before_control", "after_control"]
KILLS_PER_POINT = 6
LEAST_PER_POINT = 5
RANDOM_KILLS = 60
MOST_RANDOM_KILLS = 240
SLOT_KILLS = 50

tally = {"kills": 0, "half_way": 0, "points": {}}


def count_kill(job: Job, out, before: dict, point: str = "") -> None:
    share = note_committed(job, out, before)
    tally["kills"] += 1
    tally["half_way"] += 0.1 <= share <= 0.9
    if point:
        tally["points"][point] = tally["points"].get(point, 0) + 1


def kill_at(job: Job, out, point: str, nth: int, before: dict, when: str = "") -> None:
    if wait_killed(job.start(out, fault=f"{point}:{nth}")):
        count_kill(job, out, before, when + point)


@pytest.fixture(scope="module", name="job")
def fixture_job(program, tmp_path_factory):
    return Job(program, tmp_path_factory.mktemp("kill"), files=120, pause=0.002)


@pytest.fixture(scope="module", name="steady")
def fixture_steady(program, tmp_path_factory):
    """A job that lasts long enough to be caught half-way."""
    return Job(program, tmp_path_factory.mktemp("steady"), files=100, pause=0.008)


def test_undisturbed_run_is_the_measure(job, tmp_path):
    summary = finish(job.start(tmp_path / "out"))
    assert summary["state"] == "Complete"
    check_finished(job, tmp_path / "out", {})


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_each_step_of_the_protocol(job, tmp_path, point):
    chances = random.Random(point)
    for round_number in range(KILLS_PER_POINT):
        out, before = tmp_path / f"out{round_number}", {}
        nth = 1 + chances.randrange(1 + 2 * round_number) * (point not in PASSED_ONCE)
        kill_at(job, out, point, nth, before)
        finish(job.start(out))
        check_finished(job, out, before)
    if tally["points"].get(point, 0) < LEAST_PER_POINT:
        killed_at_the_first(job, tmp_path, point)


def killed_at_the_first(job: Job, tmp_path, point: str) -> None:
    """Often enough, each time where the point is passed first; not every run comes by."""
    for number in range(2 * LEAST_PER_POINT):
        out, before = tmp_path / f"first{number}", {}
        kill_at(job, out, point, 1, before)
        finish(job.start(out))
        check_finished(job, out, before)
        if tally["points"].get(point, 0) >= LEAST_PER_POINT:
            return
    raise AssertionError(f"{2 * LEAST_PER_POINT} runs passed {point} too seldom: {tally}")


@pytest.mark.parametrize("point", SPLIT_POINTS)
def test_killed_while_a_shard_is_split(program, tmp_path, point):
    killed_at_the_first(Job(program, tmp_path / "job", 80, 0.002, slow=True), tmp_path, point)


def test_killed_when_the_columns_are_agreed_on(program, tmp_path):
    job = Job(program, tmp_path / "job", 80, 0.001, columns=True)
    killed_at_the_first(job, tmp_path, "after_schema")


def started_and_killed(job: Job, out, before: dict) -> None:
    """A run that somebody kills half-way: its shards are left with their dead owner."""
    process = job.start(out)
    wait_committed(job, process, out, 0.1)
    process.kill()
    assert wait_killed(process), "it was over before it could be killed"
    count_kill(job, out, before)


@pytest.mark.parametrize("point", ["after_take_over", "after_control"])
def test_killed_again_while_it_is_resumed(steady, tmp_path, point):
    for number in range(LEAST_PER_POINT):
        out, before = tmp_path / f"out{number}", {}
        started_and_killed(steady, out, before)
        kill_at(steady, out, point, 1, before, "resumed: ")
        finish(steady.start(out))
        check_finished(steady, out, before)
    assert tally["points"].get("resumed: " + point, 0) >= LEAST_PER_POINT


@pytest.mark.parametrize("point", [*CONTROL_POINTS, "after_release"])
def test_killed_while_it_drains(steady, tmp_path, point):
    nth = 1 + (point in CONTROL_POINTS)  # the control object is written when a run begins, too
    kills = 0
    for number in range(2 * LEAST_PER_POINT):
        out, before = tmp_path / f"out{number}", {}
        process = steady.start(out, fault=f"{point}:{nth}")
        wait_committed(steady, process, out, 0.1)
        process.send_signal(signal.SIGINT)
        if wait_killed(process, ends=(0, 130)):
            kills += 1
            count_kill(steady, out, before, "drained: " + point)
        finish(steady.start(out))
        check_finished(steady, out, before)
        if kills == LEAST_PER_POINT:
            return
    raise AssertionError(f"of {2 * LEAST_PER_POINT} drains only {kills} were killed at {point}")


@pytest.mark.parametrize("point", CONTROL_POINTS)
def test_killed_while_it_fails(program, tmp_path, point):
    job = Job(program, tmp_path / "job", files=80, pause=0.01, bad=20)
    for number in range(LEAST_PER_POINT):
        out, before = tmp_path / f"out{number}", {}
        assert wait_killed(job.start(out, fault=f"{point}:2"), ends=(1,)), "it was not aborted"
        count_kill(job, out, before, "aborted: " + point)
        check_failed(job, out, finish(job.start(out), end=1), before)


@pytest.mark.parametrize("victim", ["slot", "zygote"])
def test_a_killed_slot_or_zygote_costs_nothing(program, tmp_path, victim):
    job = Job(program, tmp_path / "job", files=400, pause=0.004)
    chances = random.Random(victim)
    kills = 0
    wanted = SLOT_KILLS if victim == "slot" else 10
    round_number = 0
    while kills < wanted:
        out, before = tmp_path / f"out{round_number}", {}
        round_number += 1
        process = job.start(out)
        for _ in range(3 if victim == "slot" else 1):
            target = pick(process, job, out, victim, chances)
            if target is None or not killed(target):
                break
            kills += 1
            count_kill(job, out, before)
        summary = finish(process)
        assert summary["miniBatches"]["failed"] == 0, "a killed process cost a mini-batch"
        assert before, "nothing was committed at any kill"
        check_finished(job, out, before)


def killed(pid: int) -> bool:
    """False if the run was over in the meantime and the process with it."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def pick(process, job, out, victim, chances):
    """A living slot or zygote once some more has been committed; nothing if the run is over."""
    goal = len(job.committed(out)) + chances.randrange(1, 20)
    while process.poll() is None:
        if len(job.committed(out)) >= goal:
            python = [p for p in descendants_of(process.pid)
                      if "from paralleljob import zygote" in command_line(p)]
            zygotes = {p for p in python if any(c in python for c in descendants_of(p))}
            pool = sorted(zygotes if victim == "zygote" else set(python) - zygotes)
            if pool:
                return chances.choice(pool)
    return None


def promised() -> bool:
    return tally["kills"] >= 200 and tally["half_way"] >= tally["kills"] / 2


def test_killed_at_random_moments_until_the_tally_is_what_was_promised(job, tmp_path):
    """At least 200 kills by all tests of this file, half of them with 10 to 90 % committed."""
    chances = random.Random(7)
    kills = 0
    round_number = 0
    while (kills < RANDOM_KILLS or not promised()) and kills < MOST_RANDOM_KILLS:
        out, before = tmp_path / f"out{round_number}", {}
        round_number += 1
        for _ in range(8):
            process = job.start(out)
            so_far = max(0.1, len(job.committed(out)) / job.mini_batches)
            wait_committed(job, process, out, so_far + chances.uniform(0.02, 0.15))
            below = descendants_of(process.pid)
            process.kill()
            if not wait_killed(process):
                break
            kills += 1
            assert wait_gone(below) == [], "processes outlived their program"
            count_kill(job, out, before)
        finish(job.start(out))
        check_finished(job, out, before)
    assert promised(), tally
