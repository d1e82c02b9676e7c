"""At least 200 SIGKILLs of real local runs; every one resumed, every output byte-identical."""

import os
import random
import signal

import pytest

from runs import (Job, check_finished, command_line, descendants_of, finish, note_committed,
                  wait_committed, wait_gone, wait_killed)

# Every step of the protocol at which a crash could lose or double something.
FAULT_POINTS = [
    "after_job", "after_plan", "before_create", "after_create", "before_put", "after_put",
    "segment_rows", "segment_index", "segment_attempts", "segment_synced",
    "while_sealing", "after_seal", "publish_copied", "publish_renamed", "after_publish",
    "after_result",
]
KILLS_PER_POINT = 6
RANDOM_KILLS = 60
MOST_RANDOM_KILLS = 240
SLOT_KILLS = 50

tally = {"kills": 0, "half_way": 0, "points": {}}


def kill_at(job: Job, out, point: str, nth: int, before: dict) -> None:
    if wait_killed(job.start(out, fault=f"{point}:{nth}")):
        share = note_committed(job, out, before)
        tally["kills"] += 1
        tally["half_way"] += 0.1 <= share <= 0.9
        tally["points"][point] = tally["points"].get(point, 0) + 1


@pytest.fixture(scope="module", name="job")
def fixture_job(program, tmp_path_factory):
    return Job(program, tmp_path_factory.mktemp("kill"), files=120, pause=0.002)


def test_undisturbed_run_is_the_measure(job, tmp_path):
    summary = finish(job.start(tmp_path / "out"))
    assert summary["state"] == "Complete"
    check_finished(job, tmp_path / "out", {})


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_each_step_of_the_protocol(job, tmp_path, point):
    chances = random.Random(point)
    for round_number in range(KILLS_PER_POINT):
        out, before = tmp_path / f"out{round_number}", {}
        kill_at(job, out, point, 1 + chances.randrange(1 + 2 * round_number), before)
        finish(job.start(out))
        check_finished(job, out, before)
    if tally["points"].get(point, 0) < 5:
        for extra in range(5):
            out, before = tmp_path / f"extra{extra}", {}
            kill_at(job, out, point, 1, before)
            finish(job.start(out))
            check_finished(job, out, before)
    assert tally["points"].get(point, 0) >= 5, "the fault point was passed too seldom"


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
            tally["kills"] += 1
            tally["half_way"] += 0.1 <= note_committed(job, out, before) <= 0.9
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
            share = note_committed(job, out, before)
            tally["kills"] += 1
            tally["half_way"] += 0.1 <= share <= 0.9
        finish(job.start(out))
        check_finished(job, out, before)
    assert promised(), tally
