"""What Argo CD makes of a ParallelJob: its scripts under a real Lua of the version it has, 5.1."""

import json
import shutil
import subprocess

import pytest

from health_cases import CASES
import packs

SCRIPTS = packs.argocd()
# Prints what a script returns as JSON.
RUN = """
local function text(value)
  if type(value) == "table" then
    local out = {}
    if #value > 0 then
      for _, item in ipairs(value) do out[#out + 1] = text(item) end
      return "[" .. table.concat(out, ",") .. "]"
    end
    for key, item in pairs(value) do
      out[#out + 1] = string.format("%q", key) .. ":" .. text(item)
    end
    return "{" .. table.concat(out, ",") .. "}"
  end
  if type(value) == "string" then return string.format("%q", value) end
  return tostring(value)
end
io.write(text(script()))
"""


def lua_value(value):
    """A JSON value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{lua_value(k)}]={lua_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(lua_value, value)) + "}"
    return json.dumps(value)


def run(script, job):
    lua = shutil.which("lua5.1")
    assert lua, "apt-get install lua5.1 (./dev does)"
    program = f"obj = {lua_value(job)}\nlocal function script()\n{SCRIPTS[script]}end\n{RUN}"
    done = subprocess.run([lua, "-"], input=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_health(case):
    health = run("health", case.job())
    status, message = case.argo
    assert health["status"] == status and message in health["message"], health


def test_a_job_without_any_status_progresses():
    job = CASES[0].job()
    del job["status"]
    assert run("health", job)["status"] == "Progressing"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_actions_that_are_offered(case):
    offered = run("discovery", case.job())
    assert set(offered) == {"suspend", "resume", "cancel"}
    assert {name for name, one in offered.items() if not one["disabled"]} == set(case.actions)


@pytest.mark.parametrize("action, field, value", [("suspend", "suspend", True),
                                                  ("resume", "suspend", False),
                                                  ("cancel", "cancel", True)])
def test_an_action_changes_one_field_of_the_spec(action, field, value):
    job = next(case for case in CASES if case.name == "suspended").job()
    changed = run(action, job)
    assert changed["spec"] == job["spec"] | {field: value}
    assert changed["metadata"] == job["metadata"] and changed["status"] == job["status"]
