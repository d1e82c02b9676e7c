"""What the chart makes, as objects; and schemas of the kinds that no test cluster knows."""

import json
import pathlib
import subprocess

CHART = pathlib.Path(__file__).resolve().parents[2] / "charts/paralleljob"


def template(programs, *arguments):
    """The text that helm makes of the chart."""
    return subprocess.run([programs.path("helm"), "template", "pj", CHART, *arguments],
                          capture_output=True, text=True, check=True).stdout


def parsed(programs, text):
    """The objects of a YAML text, of whatever kinds: kubectl reads it, and asks no server."""
    done = subprocess.run([programs.path("kubectl"), "patch", "--local", "--filename=-",
                           "--type=merge", "--patch={}", "--output=json"],
                          input=text, capture_output=True, text=True, check=True)
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(done.stdout.rstrip()):
        one, at = decoder.raw_decode(done.stdout, at)
        found.append(one)
        at += len(done.stdout[at:]) - len(done.stdout[at:].lstrip())
    return found


def only(objects, kind, name):
    """The one of that kind whose name ends so."""
    (found,) = [each for each in objects
                if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def closed(required, **properties):
    """An object with these fields and no others."""
    return {"type": "object", "additionalProperties": False, "required": required,
            "properties": properties}


TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
TIME = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
NAME = {"type": "string", "minLength": 1}


def list_of(items):
    return {"type": "array", "minItems": 1, "items": items}


def of_monitoring(kind, spec):
    return closed(["apiVersion", "kind", "metadata", "spec"],
                  apiVersion={"const": "monitoring.coreos.com/v1"}, kind={"const": kind},
                  metadata=closed(["name", "namespace", "labels"], name=NAME, namespace=NAME,
                                  labels=TEXTS), spec=spec)


# The parts of the Prometheus operator's API (monitoring.coreos.com/v1) that the chart may use.
MONITORING = {
    "servicemonitor": of_monitoring("ServiceMonitor", closed(
        ["selector", "endpoints"], selector=closed(["matchLabels"], matchLabels=TEXTS),
        endpoints=list_of(closed(["port"], port=NAME, path=NAME, interval=TIME,
                                 scrapeTimeout=TIME)))),
    "prometheusrule": of_monitoring("PrometheusRule", closed(["groups"], groups=list_of(closed(
        ["name", "rules"], name=NAME, rules=list_of(closed(
            ["alert", "expr", "for", "labels", "annotations"], alert=NAME, expr=NAME,
            labels=TEXTS, annotations=TEXTS, **{"for": TIME})))))),
}


def write_monitoring_schemas(folder):
    """As kubeconform looks for them in a folder of `{{.Group}}_{{.ResourceAPIVersion}}_…`."""
    for kind, schema in MONITORING.items():
        (folder / f"monitoring.coreos.com_v1_{kind}.json").write_text(json.dumps(schema),
                                                                      encoding="utf-8")
