"""The Helm chart: made alike from alike values, taken by a real API server, and back out again."""

import itertools
import json
import os
import pathlib
import re
import subprocess

import chart_objects
import enclosure
import objects
import operator_process
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/paralleljob"
NUMBERS = itertools.count(1)
EVERYTHING = ("--set=clusterScope=true,replicas=2,podDisruptionBudget.enabled=true,"
              "networkPolicy.enabled=true,operator.imagePullPolicy=Never,"
              "imagePullSecrets[0].name=registry,imagePullSecrets[1].name=mirror,"
              "flowSchemas.enabled=true,grafanaDashboard.enabled=true,kueue.enabled=true")
# Of kinds that the test clusters do not know.
MONITORING = "--set=serviceMonitor.enabled=true,prometheusRule.enabled=true"
PROGRAM = "operator/paralleljob-operator"


def helm(programs, *arguments, check=True):
    done = subprocess.run([programs.path("helm"), *map(str, arguments)], capture_output=True,
                          text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture
def installed(control_plane):
    """The namespace of a release; both go afterwards. The definition stays: crds.keep."""
    name = f"chart-{next(NUMBERS)}"
    control_plane.apply(objects.namespace(name))
    control_plane.run("helm", "install", "pj", CHART, f"--namespace={name}", "--take-ownership")
    yield name
    control_plane.run("helm", "uninstall", "pj", f"--namespace={name}", "--wait", check=False)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


def test_lint(found_programs):
    assert "0 chart(s) failed" in helm(found_programs, "lint", "--strict", CHART).stdout


def test_same_values_same_bytes(found_programs):
    def made():
        return helm(found_programs, "template", "pj", CHART, "--namespace=chart", EVERYTHING,
                    MONITORING).stdout

    assert made() == made()


@pytest.mark.parametrize("wrong", ["replica=2", "operator.workers=0", "image.digest=abc",
                                   "replicas=2,operator.leaderElect=false",
                                   "imagePullSecrets[0]=registry"])
def test_wrong_values_are_refused(found_programs, wrong):
    done = helm(found_programs, "template", "pj", CHART, f"--set={wrong}", check=False)
    assert done.returncode != 0 and "values don't meet the specifications" in done.stderr


def test_a_digest_wins(found_programs):
    digest = "sha256:" + "0" * 64
    made = helm(found_programs, "template", "pj", CHART, f"--set=image.digest={digest}").stdout
    assert f"image: localhost/paralleljob-operator@{digest}" in made
    made = helm(found_programs, "template", "pj", CHART,
                f"--set=workerImage.digest={digest}").stdout
    assert f"- --worker-image=localhost/paralleljob-worker@{digest}\n" in made
    assert f"localhost/paralleljob-operator@{digest}" not in made


def test_pull_secrets_reach_every_pod(found_programs):
    made = helm(found_programs, "template", "pj", CHART, EVERYTHING).stdout
    given = re.findall(r"^ +- --image-pull-secret=(.+)$", made, re.MULTILINE)
    assert given == ["registry", "mirror"]
    operator_and_check = re.findall(
        r"^ +imagePullSecrets:\n +- name: registry\n +- name: mirror\n", made, re.MULTILINE)
    assert len(operator_and_check) == 2


def test_readers_may_be_reached(found_programs):
    """By the labels and on the port that the command line gives them; in the jobs' namespaces."""
    made = helm(found_programs, "template", "pj", CHART, "--namespace=chart",
                "--set=networkPolicy.enabled=true,networkPolicy.namespaces={one,two}").stdout
    policies = [part for part in made.split("\n---\n") if "name: pj-operator-readers" in part]
    assert [re.search(r"namespace: (.*)", one)[1] for one in policies] == ["one", "two"]
    contract = (ROOT / "src/job/pod_contract.h").read_text(encoding="utf-8")
    port = re.search(r"kReadPort = (\d+)", contract)[1]
    template = (ROOT / "cli/reader_template.cc").read_text(encoding="utf-8")
    for policy in policies:
        assert f"port: {port}" in policy
        labels = re.findall(r"(app\.kubernetes\.io/(?:name|component)): (.*)",
                            policy.partition("podSelector")[2])
        assert len(labels) == 2
        for key, value in labels:
            assert f'{{"{key}", "{value}"}}' in template


@pytest.mark.parametrize("values, told, not_told", [
    ("replicas=1", ["of namespace here, and of no other", "--set clusterScope=true",
                    "paralleljob doctor --namespace here"], "all namespaces."),
    ("clusterScope=true", ["of all namespaces.", "helm test pj --namespace here"], "no other")])
def test_the_notes_name_the_namespaces_of_jobs(control_plane, values, told, not_told):
    done = control_plane.run("helm", "install", "pj", CHART, "--dry-run=client",
                             "--namespace=here", f"--set={values}")
    notes = done.stdout.partition("\nNOTES:\n")[2]
    assert all(words in notes for words in told) and not_told not in notes, notes


def test_no_wildcards_and_no_secrets(found_programs):
    made = (CHART / "templates/rbac.yaml").read_text(encoding="utf-8")
    assert "*" not in made
    for word in ("secrets", "escalate", "bind]", "impersonate"):
        assert word not in made


def test_everything_is_taken_by_the_api_server(control_plane):
    control_plane.apply(objects.namespace("chart-dry"))
    made = helm(control_plane.programs, "template", "pj", CHART, "--namespace=chart-dry",
                "--no-hooks", EVERYTHING).stdout
    done = control_plane.kubectl("apply", "--dry-run=server", "--namespace=chart-dry",
                                 "--filename=-", given=made)
    assert "deployment.apps/pj-operator" in done.stdout
    assert "Warning" not in done.stderr
    control_plane.kubectl("delete", "namespace", "chart-dry", "--wait=false")


def needed(definitions, name):
    """A definition and all that it refers to."""
    found, open_names = {}, [name]
    while open_names:
        one = open_names.pop()
        if one not in found:
            found[one] = definitions[one]
            open_names += re.findall(r'"#/definitions/([^"]+)"', json.dumps(found[one]))
    return found


def schemas(control_plane, folder):
    """The API server's own description of its kinds, as kubeconform reads schemas."""
    described = json.loads(
        control_plane.kubectl("get", "--raw=/openapi/v2").stdout,
        object_hook=lambda each: {} if each.get("format") == "int-or-string" else each)
    definitions = described["definitions"]
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            # Of the core group it takes the version for the name.
            group = kind["group"] or kind["version"]
            file = f"{group}_{kind['version']}_{kind['kind'].lower()}"
            (folder / f"{file}.json").write_text(json.dumps(
                {"$ref": f"#/definitions/{name}", "definitions": needed(definitions, name)}),
                encoding="utf-8")
    return f"{folder}/{{{{.Group}}}}_{{{{.ResourceAPIVersion}}}}_{{{{.ResourceKind}}}}.json"


def test_kubeconform_accepts_it_and_refuses_a_mistake(control_plane, tmp_path):
    location = schemas(control_plane, tmp_path)
    chart_objects.write_monitoring_schemas(tmp_path)
    made = helm(control_plane.programs, "template", "pj", CHART, EVERYTHING, MONITORING).stdout

    def conform(given):
        return control_plane.run("kubeconform", "-summary", f"-schema-location={location}", "-",
                                 given=given, check=False)

    good = conform(made)
    assert good.returncode == 0, good.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in good.stdout
    for right, wrong, kind in (
            ("replicas: 2", "replicas: two", "Deployment"),
            ("{port: metrics}", "{prot: metrics}", "ServiceMonitor"),
            ("labels: {severity: critical}", "label: {severity: critical}", "PrometheusRule"),
            ("for: 5m", "for: 5 minutes", "PrometheusRule")):
        assert right in made
        bad = conform(made.replace(right, wrong))
        assert bad.returncode == 1 and f"{kind} pj-operator is invalid" in bad.stdout, bad.stdout


def test_install_upgrade_uninstall(control_plane, installed):
    deployment = control_plane.get("deployment", "pj-operator", f"--namespace={installed}")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"},
           "spec": deployment["spec"]["template"]["spec"]}
    control_plane.kubectl("create", "--dry-run=server", f"--namespace={installed}", "--filename=-",
                          given=json.dumps(pod))  # Pod Security restricted is enforced there
    control_plane.run("helm", "upgrade", "pj", CHART, f"--namespace={installed}",
                      "--set=operator.workers=9")
    again = control_plane.get("deployment", "pj-operator", f"--namespace={installed}")
    assert "--workers=9" in again["spec"]["template"]["spec"]["containers"][0]["args"]
    control_plane.run("helm", "uninstall", "pj", f"--namespace={installed}", "--wait")
    assert control_plane.get("deployments", f"--namespace={installed}")["items"] == []
    assert control_plane.get("crd", "paralleljobs.paralleljob.dev")  # crds.keep


def test_the_operator_may_do_its_work_and_no_more(control_plane, installed):
    account = f"--as=system:serviceaccount:{installed}:pj-operator"

    def may(verb, what, namespace=installed):
        kind, _, subresource = what.partition("/")
        return control_plane.kubectl("auth", "can-i", verb, kind, f"--subresource={subresource}",
                                     account, f"--namespace={namespace}",
                                     check=False).returncode == 0

    for verb, what in (("watch", "paralleljobs.paralleljob.dev"), ("create", "jobs.batch"),
                       ("delete", "pods"), ("update", "pods/status"), ("create", "events")):
        assert may(verb, what), (verb, what)
    for verb, what in (("get", "secrets"), ("create", "pods"), ("update", "paralleljobs"),
                       ("delete", "namespaces")):
        assert not may(verb, what), (verb, what)
    assert not may("get", "configmaps", "default")
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "worker"}, "rules": [rule]}
    control_plane.kubectl("create", account, f"--namespace={installed}", "--filename=-",
                          given=json.dumps(role))  # it can grant a worker what it has


def flat(rules):
    """A role's rules as (group, resource, verb)."""
    return sorted((group, resource, verb) for rule in rules for group in rule["apiGroups"]
                  for resource in rule["resources"] for verb in rule["verbs"])


def test_the_role_is_what_the_operator_says_it_needs(control_plane, installed):
    def check(*flags):
        role = control_plane.get("role", "pj-operator", f"--namespace={installed}")
        assert flat(role["rules"]) == flat(operator_process.permissions(*flags))
        return flat(role["rules"])

    before = check()
    control_plane.run("helm", "upgrade", "pj", CHART, f"--namespace={installed}",
                      "--set=kueue.enabled=true")
    assert [rule for rule in check("--kueue") if rule not in before] == [
        ("kueue.x-k8s.io", "workloads", "list"), ("kueue.x-k8s.io", "workloads", "update")]


def test_check_tells_what_is_missing(control_plane, installed):
    """As `helm test` runs it, under the operator's account and with rights taken away."""
    config = operator_process.config_of(control_plane, "pj-operator", installed)

    def check():
        return control_plane.run(pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM,
                                 "--check", f"--kubeconfig={config}", f"--namespace={installed}",
                                 check=False)

    done = check()
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout
    rules = control_plane.get("role", "pj-operator", f"--namespace={installed}")["rules"]
    less = [rule for rule in rules if rule["resources"] != ["jobs"]]
    control_plane.kubectl("patch", "role", "pj-operator", f"--namespace={installed}",
                          "--type=merge", f"--patch={json.dumps({'rules': less})}")
    enclosure.wait_until("the missing right", 30, lambda: check().returncode == 1)
    assert "FAIL  may create jobs.batch: no role grants it" in check().stdout


def test_monitoring_is_made_for_the_prometheus_operator(found_programs):
    made = chart_objects.parsed(found_programs, chart_objects.template(
        found_programs, "--namespace=watched", MONITORING))
    monitor = chart_objects.only(made, "ServiceMonitor", "pj-operator")
    service = chart_objects.only(made, "Service", "pj-operator-metrics")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"][
        "labels"].items()
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == {
        each["name"] for each in service["spec"]["ports"]}
    assert {each["metadata"]["namespace"] for each in (monitor, service)} == {"watched"}
    rules = chart_objects.only(made, "PrometheusRule", "pj-operator")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) >= 4 and len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        # Each series that is asked for is of this release; and PromQL's brackets are closed.
        series = re.findall(r"paralleljob_[a-z_]+(\{[^}]*\})?", rule["expr"])
        assert series and all('namespace="watched",service="pj-operator-metrics"' in each
                              for each in series), rule["expr"]
        for opening, closing in ("()", "{}", "[]"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing)
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


def test_a_worker_writes_only_objects_of_its_own_job(control_plane, installed):
    name = "job-0123abcd-worker"
    binding = objects.role("anything", [{"apiGroups": [""], "resources": ["configmaps"],
                                         "verbs": ["get", "create", "update"]}], name, installed)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    control_plane.apply(account, *binding, namespace=installed)

    own = {"paralleljob.dev/job": "job", "paralleljob.dev/run": "0123abcd"}

    def write(verb, what, labels, *flags):
        made = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": what, "labels": labels}}
        return control_plane.kubectl(verb, "--filename=-", f"--namespace={installed}", *flags,
                                     given=json.dumps(made), check=False)

    worker = f"--as=system:serviceaccount:{installed}:{name}"

    def refused():
        answer = write("create", "job-89abcdef-s-0", own, worker).stderr
        return "only the objects of its own job" in answer

    # The API server learns of a policy a moment later
    enclosure.wait_until("the policy to be in force", 60, refused)
    assert write("create", "job-0123abcd-s-0", own, worker).returncode == 0
    assert write("replace", "job-0123abcd-s-0", own, worker).returncode == 0
    wrong = "only objects with the labels of its own job"
    assert wrong in write("replace", "job-0123abcd-s-0", {}, worker).stderr
    for labels in ({}, own | {"paralleljob.dev/run": "89abcdef"}):
        assert wrong in write("create", "job-0123abcd-s-1", labels, worker).stderr
    # Somebody else's, whatever its name and the labels that it is to get.
    assert write("create", "job-0123abcd-notes", {"team": "a"}).returncode == 0
    assert wrong in write("replace", "job-0123abcd-notes", own, worker).stderr


def test_a_pod_under_a_named_account_writes_only_objects_of_its_own_run(control_plane, installed,
                                                                        tmp_path):
    """Two jobs may name one account, whose Role allows it to write for both."""
    control_plane.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "trainer"}},
        *objects.role("trainer", [{"apiGroups": [""], "resources": ["configmaps"],
                                   "verbs": ["get", "create", "update"]}], "trainer", installed),
        namespace=installed)

    def run_of(pod):
        """A function that writes a ConfigMap (of a name and labels) as that pod does."""
        spec = objects.pod_spec("none", "true", serviceAccountName="trainer")
        control_plane.apply(objects.pod(pod, spec), namespace=installed)
        token = control_plane.kubectl(
            "create", "token", "trainer", f"--namespace={installed}", "--bound-object-kind=Pod",
            f"--bound-object-name={pod}").stdout.strip()
        config = json.loads(pathlib.Path(control_plane.kubeconfig).read_text())
        config["users"][0]["user"] = {"token": token}
        (tmp_path / pod).write_text(json.dumps(config), encoding="utf-8")

        def write(verb, what, run):
            labels = {"paralleljob.dev/job": "job", "paralleljob.dev/run": run} if run else {}
            made = {"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": what, "labels": labels}}
            return control_plane.kubectl(
                verb, f"--kubeconfig={tmp_path / pod}", "--filename=-",
                f"--namespace={installed}", given=json.dumps(made), check=False)

        return write

    mine, other = run_of("job-0123abcd-0-x2x2x"), run_of("job-89abcdef-g2-1-x3x3x")
    wrong = "only pods of the same run of a job may write its objects"
    enclosure.wait_until("the policy to be in force", 60, lambda: wrong in mine(
        "create", "job-89abcdef-probe", "89abcdef").stderr)
    assert mine("create", "job-0123abcd-s-0", "0123abcd").returncode == 0
    assert other("create", "job-89abcdef-s-0", "89abcdef").returncode == 0
    for run in ("0123abcd", "89abcdef", ""):  # as another's, as one's own, as nobody's
        assert wrong in other("replace", "job-0123abcd-s-0", run).stderr, run
    assert mine("replace", "job-0123abcd-s-0", "0123abcd").returncode == 0
    # What is of no job is left to the account's Role.
    assert mine("create", "notes", "").returncode == 0
    assert other("replace", "notes", "").returncode == 0


def test_flags_of_the_chart_are_the_operators(found_programs):
    program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM
    known = set(re.findall(r"--[a-z][a-z-]+", subprocess.run(
        [program, "--help"], capture_output=True, text=True, check=True).stdout))
    made = helm(found_programs, "template", "pj", CHART, EVERYTHING).stdout
    made += helm(found_programs, "template", "pj", CHART).stdout
    given = set(re.findall(r"^ +- (--[a-z-]+)", made, re.MULTILINE))
    assert given <= known
    # Only for a run outside a cluster, or by hand.
    assert known - given == {"--kubeconfig", "--context", "--help", "--version", "--permissions"}
