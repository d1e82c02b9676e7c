"""Rules over several fields of a ParallelJob, as CEL or as plain schema; the validator's twins.

Where a rule changes, src/api/validate.cc changes as well: tests/cluster/test_crd_agreement.py holds
them against each other.
"""

NAME = "^[A-Za-z_][A-Za-z0-9_-]*$"
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
# One binding and nothing else, as the validator trims it.
BINDING = (r"^[ \t\r\n]*\$\{\{[ \t\r\n]*ROOT\.[^} \t\r\n]([^}]*[^} \t\r\n])?[ \t\r\n]*\}\}"
           r"[ \t\r\n]*$")
# Digits behind leading zeros, by unit: the product stays below 2^63.
SIZE = (r"^0*[1-9][0-9]{0,17}([bB]|[rR][oO][wW][sS])?$|^0*[1-9][0-9]{0,14}[kK][bB]$|"
        r"^0*[1-9][0-9]{0,11}[mM][bB]$|^0*[1-9][0-9]{0,8}[gG][bB]$")
LARGEST_SIZE = 10**18 - 1
CHANGED = "cannot be changed: delete the job and apply it again, or give it another name"


def rule(schema, expression, message, **more):
    schema.setdefault("x-kubernetes-validations", []).append(
        {"rule": expression, "message": message} | more)


def add(made, fields):
    """Adds them to the schemas, which `made` holds by their path of the table."""
    spec = made["spec"]
    for path in ("spec.inputs", "spec.outputs"):
        data(made[path])
    inputs(made["spec.inputs"]["items"])
    outputs(made["spec.outputs"]["items"])
    for path in ("spec.outputs[].volume", "spec.work.volume"):
        keeps(made[path])
    made["spec.inputData"].update(pattern=BINDING.replace("ROOT", "inputs"))
    made["spec.miniBatchSize"]["pattern"] = SIZE
    # Not by `maximum`: that is compared as a floating-point number.
    rule(made["spec.miniBatchSize"],
         f"type(self) != int || (self >= 1 && self <= {LARGEST_SIZE})",
         f"takes a number from 1 to {LARGEST_SIZE}")
    made["spec.partitionKeys"]["x-kubernetes-list-type"] = "set"
    made["spec.instanceCount"]["default"] = 1  # which the scale subresource needs
    rule(spec, "!has(self.miniBatchSize) || !has(self.partitionKeys) || "
               "size(self.partitionKeys) == 0",
         "miniBatchSize does not go with partitionKeys: keep one of them")
    task(made)
    for path in ("spec.environmentVariables", "spec.task.environment.variables"):
        rule(made[path], "self.all(name, name != '' && !name.contains('='))",
             "the name of a variable has a letter at least, and no '='")
    made["spec.managedBy"].update(pattern="/")
    immutable(spec, fields)


def add_name(root, field):
    """Names of pods are made of the job's."""
    rule(root, f"size(self.metadata.name) <= {field['maxLength']} && "
               "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
         "metadata.name must be lower-case letters, digits and '-', beginning and ending with a "
         f"letter or digit, at most {field['maxLength']}: pods are called NAME-INDEX and may "
         "have 63")


def data(listing):
    listing["x-kubernetes-list-type"] = "map"
    listing["x-kubernetes-list-map-keys"] = ["name"]
    item = listing["items"]
    item["properties"]["name"]["pattern"] = NAME
    item["properties"]["path"]["pattern"] = NO_CONTROL
    rule(item, "!has(self.path) || "
               "!(self.path.contains('://') || self.path.startsWith('azureml:'))",
         "remote data cannot be read here: give a path below a volume", fieldPath=".path")


def inputs(item):
    rule(item, f"!has(self.volume) || !has(self.path) || ({BELOW})",
         "must be relative to the volume, without ..", fieldPath=".path")
    item["anyOf"] = [{"required": [key]} for key in ("path", "volume", "value")]
    item["not"] = {"required": ["value"],
                   "anyOf": [{"required": [key]} for key in ("type", "path", "mode", "volume")]}


BELOW = "!self.path.startsWith('/') && !self.path.matches('(^|/)[.][.](/|$)')"


def outputs(item):
    rule(item, "!has(self.path) || !self.path.matches('(^|/)[.][.](/|$)')",
         "must not hold ..", fieldPath=".path")
    rule(item, "!has(self.volume) || !has(self.path) || !self.path.startsWith('/')",
         "must be relative to the volume: remove the first /", fieldPath=".path")
    rule(item, "!has(self.header) || !has(self.format) || self.format != 'jsonl'",
         "jsonl has no header: remove it", fieldPath=".header")


# Written by pods, and there after them: CheckKeeps() of src/api/kube_fields.cc.
LASTING = ("persistentVolumeClaim", "nfs", "csi")


def keeps(volume):
    rule(volume, " || ".join(f"has(self.{kind})" for kind in LASTING),
         "what is written there must outlive the pods: use persistentVolumeClaim, nfs or csi")
    rule(volume, " && ".join(f"!(has(self.{kind}) && has(self.{kind}.readOnly) && "
                             f"self.{kind}.readOnly)" for kind in LASTING),
         "cannot be written to: remove readOnly")


def task(made):
    sources = [path.rsplit(".", 1)[1] for path in made
               if path.startswith("spec.task.code.") and path.count(".") == 3]
    named = ", ".join(f"has(self.{source})" for source in sources)
    rule(made["spec.task.code"], f"[{named}].filter(x, x).size() == 1",
         f"name exactly one of {', '.join(sources)}")
    rule(made["spec.task.code.local"],
         "!(self.contains('://') || self.startsWith('azureml:'))",
         "remote code cannot be read here")
    made["spec.task.code.archive.configMaps"]["minItems"] = 1
    made["spec.task.environment.image"]["pattern"] = NO_CONTROL
    made["spec.task.environment.pip"]["items"]["pattern"] = NO_CONTROL
    made["spec.task.appendRowTo"]["pattern"] = BINDING.replace("ROOT", "outputs")
    spaces = ".replace(' ', '').replace('\\t', '').replace('\\r', '').replace('\\n', '')"
    collects = f"self.task.appendRowTo{spaces} == '${{{{outputs.' + o.name + '}}}}'"
    rule(made["spec"], "!has(self.task.appendRowTo) || (has(self.outputs) && "
                       f"self.outputs.exists(o, {collects}))",
         "names no output of this job: write ${{outputs.NAME}}", fieldPath=".task.appendRowTo")
    rule(made["spec"], "!has(self.task.appendRowTo) || !has(self.outputs) || "
                       f"!self.outputs.exists(o, {collects} && !has(o.format) && "
                       "has(o.path) && o.path.endsWith('.parquet'))",
         "parquet is not supported yet: use csv, jsonl or text", fieldPath=".outputs")


def immutable(spec, fields):
    """All but the mutable ones stay as they were created."""
    changing = [f["field"].rsplit(".", 1)[1] for f in fields
                if f["mutable"] and f["field"].count(".") == 1]
    for name, schema in spec["properties"].items():
        if name in changing or "type" not in schema and "x-kubernetes-int-or-string" not in schema:
            continue
        if name in spec["required"]:
            rule(schema, "self == oldSelf", CHANGED)
            continue
        rule(spec, f"has(self.{name}) == has(oldSelf.{name}) && "
                   f"(!has(self.{name}) || self.{name} == oldSelf.{name})",
             CHANGED, fieldPath=f".{name}")
    # CEL sees a field without a type only as a part of the whole.
    same = " && ".join(f"has(self.{n}) == has(oldSelf.{n}) && "
                       f"(!has(self.{n}) || self.{n} == oldSelf.{n})" for n in changing)
    rule(spec, f"self == oldSelf || !({same})", CHANGED, fieldPath=".inputData")
