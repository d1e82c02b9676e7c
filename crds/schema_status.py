"""What the operator writes into a ParallelJob's status, the columns of `kubectl get`, subresources.

The twin of operator/status.cc.
"""

CONDITIONS = ("Reconciling, Stalled (also of a failed job), Suspended, Planned; VolumesFit, only "
              "while it is False; FailureTarget, then Failed; SuccessCriteriaMet, then Complete.")


def text(description, length=256):
    return {"type": "string", "maxLength": length, "description": description}


def count(description, least=0):
    return {"type": "integer", "format": "int64", "minimum": least, "description": description}


def time(description):
    return {"type": "string", "format": "date-time", "description": description}


def counters(description, **more):
    properties = {"total": count("All of them."), "succeeded": count("Done well."),
                  "failed": count("Failed for good, all retries used up.")} | more
    return {"type": "object", "description": description, "properties": properties}


CONDITION = {
    "type": "object", "required": ["type", "status", "lastTransitionTime", "reason", "message"],
    "properties": {
        "type": {"type": "string", "maxLength": 316, "description": "What it is about."},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"],
                   "description": "Whether it holds."},
        "observedGeneration": count("metadata.generation that it was found with."),
        "lastTransitionTime": time("When status changed last."),
        "reason": text("One word for programs.", 1024),
        "message": text("Why, in one line for people.", 32768)}}

ERROR = {
    "type": "object",
    "properties": {
        "count": count("Attempts that failed so."),
        "message": text("Text of the error.", 4096),
        "miniBatches": {"type": "array", "maxItems": 20, "x-kubernetes-list-type": "atomic",
                        "items": {"type": "integer", "format": "int64"},
                        "description": "Numbers of the first mini-batches, from 0."},
        "log": text("Where the log is, below the logs folder.", 1024)}}

EFFECTIVE = {
    "type": "object", "required": ["name"],
    "properties": {
        "name": text("Path of the setting below spec."),
        "value": text("The value that counts.", 1024),
        "source": {"type": "string", "enum": ["default", "manifest", "flag"],
                   "description": "Where it comes from; flag: task.programArguments."}}}

SCHEMA = {
    "type": "object",
    "description": "What the operator sees; written by it alone.",
    # Until the operator has seen the job, tools shall not take it for finished.
    "default": {"observedGeneration": -1},
    "properties": {
        "observedGeneration": count("metadata.generation that this status is about; -1: none yet.",
                                    -1) | {"default": -1},
        "run": count("Number of the run, from 1."),
        "state": text("A word for people: Pending, Running, Suspending, Suspended, Completing, "
                      "Complete, Failing, Failed, Stalled. Programs read the conditions.", 32),
        "conditions": {"type": "array", "maxItems": 16, "x-kubernetes-list-type": "map",
                       "x-kubernetes-list-map-keys": ["type"], "items": CONDITION,
                       "description": CONDITIONS},
        "startTime": time("When the run began; anew when a suspended one goes on."),
        "completionTime": time("When it ended."),
        "progress": text("Mini-batches that are decided, in percent.", 16),
        "duration": text("How long it ran, at the last write.", 32),
        "rate": text("Mini-batches per second, at the last write.", 32),
        "eta": text("Time left at this rate, at the last write.", 32),
        "miniBatches": counters("Mini-batches.", left=count("Not decided yet.")),
        "items": counters("Files or rows."),
        "retries": count("Attempts after the first."),
        "infrastructureLosses": count("Attempts that ended with their pod or node; they use up no "
                                      "retry."),
        "workers": {
            "type": "object", "description": "Worker pods.",
            "properties": {
                "wanted": count("As many as spec.instanceCount asks for now."),
                "active": count("Pods that have not ended."),
                "ready": count("Pods that work."),
                "summary": text("Ready of wanted.", 32)}},
        "selector": text("Label selector of the worker pods.", 512),
        "errors": {"type": "array", "maxItems": 20, "x-kubernetes-list-type": "atomic",
                   "items": ERROR, "description": "The most frequent errors, grouped."},
        "outputs": {"type": "object", "maxProperties": 64,
                    "additionalProperties": {"type": "string", "maxLength": 4096},
                    "description": "Paths of what was published, by the output's name."},
        "effective": {"type": "array", "maxItems": 512, "x-kubernetes-list-type": "map",
                      "x-kubernetes-list-map-keys": ["name"], "items": EFFECTIVE,
                      "description": "Every setting that counts, and where it comes from."}}}


def column(name, path, priority=0, kind="string", description=""):
    shown = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return shown | ({"priority": priority} if priority else {})


COLUMNS = [
    column("Status", ".status.state", description="State of the job."),
    column("Progress", ".status.progress", description="Mini-batches that are decided."),
    column("Failed", ".status.miniBatches.failed", kind="integer",
           description="Failed mini-batches."),
    column("Workers", ".status.workers.summary", description="Ready pods of those wanted."),
    column("Duration", ".status.duration", description="How long it ran."),
    column("Age", ".metadata.creationTimestamp", kind="date", description="Since its creation."),
    column("Rate", ".status.rate", 1, description="Mini-batches per second."),
    column("ETA", ".status.eta", 1, description="Time left."),
    column("Retries", ".status.retries", 1, "integer", "Attempts after the first."),
    column("Errors", ".status.items.failed", 1, "integer", "Failed files or rows."),
    column("Reason", ".status.conditions[?(@.type==\"Stalled\")].reason", 1,
           description="Why it failed or cannot go on."),
    column("Image", ".spec.task.environment.image", 1, description="Image of the script."),
]

SUBRESOURCES = {"status": {},
                "scale": {"specReplicasPath": ".spec.instanceCount",
                          "statusReplicasPath": ".status.workers.active",
                          "labelSelectorPath": ".status.selector"}}
