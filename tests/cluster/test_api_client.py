"""Our C++ API client against a real kube-apiserver."""

import os
import pathlib
import subprocess

import pytest

import crd
import objects

HERE = pathlib.Path(__file__).resolve().parent
CASES = sorted((HERE.parent / "conformance" / "cases").glob("*.json"))


@pytest.fixture(scope="module")
def plane(control_plane):
    """A control plane that knows ParallelJobs and puts no ConfigMap into new namespaces."""
    control_plane.apply(crd.definition())
    control_plane.kubectl("wait", "--for=condition=Established", f"crd/{crd.NAME}",
                          "--timeout=60s")
    control_plane.home.stop("controller-manager")
    control_plane.plane.start_controllers(
        False, "--controllers=*,-root-ca-certificate-publisher-controller")
    yield control_plane
    control_plane.home.stop("controller-manager")
    control_plane.plane.start_controllers(False)
    control_plane.kubectl("delete", "crd", crd.NAME)


def program(name):
    """A test program of the build."""
    return str(pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / "tests" / name)


def start(plane, name, suites, **environment):
    """Starts a test program in the plane's network."""
    variables = [f"{key}={value}" for key, value in environment.items()]
    return plane.popen("env", "-C", os.environ["PARALLELJOB_BUILD"], *variables, program(name),
                       f"--gtest_filter={suites}", stdin=subprocess.PIPE,
                       stderr=subprocess.STDOUT)


def play(process, answers):
    """Reads what a program prints until it ends; calls answers[line] and tells it when done."""
    output = []
    for line in process.stdout:
        output.append(line)
        if line.strip() in answers:
            answers[line.strip()]()
            process.stdin.write("done\n")
            process.stdin.flush()
    return process.wait(60), "".join(output)


def test_the_conformance_files_hold_on_a_real_server(plane):
    names = [f"conformance-{case.stem.replace('_', '-')}" for case in CASES]
    plane.apply(*(objects.namespace(name) for name in names))
    process = start(plane, "conformance_test", "All/*",
                    PJ_CONFORMANCE_KUBECONFIG=plane.kubeconfig)
    code, output = play(process, {"COMPACT": plane.forget_history})
    assert f"[  PASSED  ] {len(CASES)} tests" in output and code == 0, output[-20000:]
