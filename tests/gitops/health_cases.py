"""ParallelJobs in every state, as the operator writes them, and what GitOps tools shall see."""

import dataclasses

GENERATION = 3


def condition(kind, status="True", reason="Fine", message=""):
    return {"type": kind, "status": status, "reason": reason, "message": message,
            "observedGeneration": GENERATION, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def running(reason="Running", message="mini-batches are running"):
    """The conditions of a job that is under way."""
    return [condition("Reconciling", "True", reason, message), condition("Stalled", "False"),
            condition("Suspended", "False", "NotSuspended"),
            condition("Planned", "True", "Planned", "10 mini-batches of 20 items")]


def ended(kind, first, reason, message):
    failed = kind == "Failed"
    return [condition("Reconciling", "False", reason, "the job has ended"),
            condition("Stalled", "True" if failed else "False", reason if failed else "Fine",
                      message if failed else ""),
            condition("Suspended", "False", "NotSuspended"),
            condition("Planned", "True", "Planned", "10 mini-batches of 20 items"),
            condition(first, "True", reason, message), condition(kind, "True", reason, message)]


@dataclasses.dataclass
class Case:
    """`argo`: health and a part of its message; `flux`: what its status reader says."""
    name: str
    status: dict
    argo: tuple
    flux: str
    spec: dict = dataclasses.field(default_factory=dict)
    deleting: bool = False
    actions: tuple = ("suspend", "cancel")

    def job(self):
        metadata = {"name": "x", "generation": GENERATION}
        if self.deleting:
            metadata["deletionTimestamp"] = "2026-01-01T00:01:00Z"
        made = {"metadata": metadata, "spec": {"instanceCount": 2} | self.spec}
        return made | ({"status": self.status} if self.status else {})


def seen(conditions, **more):
    return {"observedGeneration": GENERATION, "conditions": conditions} | more


FAILED = ended("Failed", "FailureTarget", "ErrorThreshold", "4 of 10 mini-batches failed")
CASES = [
    Case("fresh", {"observedGeneration": -1}, ("Progressing", "not seen"), "InProgress"),
    Case("pending", seen(running("Starting", "waiting for the plan"), state="Pending"),
         ("Progressing", "Starting: waiting for the plan"), "InProgress"),
    Case("running", seen(running(), state="Running", progress="40%"),
         ("Progressing", "40%, Running"), "InProgress"),
    Case("troubled", seen(running("ImagePullBackOff", "pod x-0: no such image"), progress="0%"),
         ("Progressing", "ImagePullBackOff: pod x-0"), "InProgress"),
    Case("suspending", seen([condition("Reconciling", "True", "Suspended", "spec.suspend is true"),
                             condition("Suspended", "False", "NotSuspended", "waiting")],
                            progress="40%"),
         ("Progressing", "spec.suspend is true"), "InProgress", {"suspend": True},
         actions=("resume", "cancel")),
    Case("suspended", seen([condition("Reconciling", "True", "Suspended", "spec.suspend is true"),
                            condition("Suspended", "True", "Suspended")], progress="40%"),
         ("Suspended", "40%"), "Current", {"suspend": True}, actions=("resume", "cancel")),
    Case("completing", seen(running("Finishing", "sealing and publishing")
                            + [condition("SuccessCriteriaMet", "True", "Done")], progress="100%"),
         ("Progressing", "sealing"), "InProgress", actions=()),
    Case("complete", seen(ended("Complete", "SuccessCriteriaMet", "Done", "all succeeded"),
                          progress="100%"), ("Healthy", "all succeeded"), "Current", actions=()),
    Case("failing", seen(running("Finishing", "sealing and publishing")
                         + [condition("FailureTarget", "True", "ErrorThreshold", "too many")]),
         ("Progressing", "sealing"), "InProgress", actions=()),
    Case("failed", seen(FAILED, progress="100%"),
         ("Degraded", "ErrorThreshold: 4 of 10"), "Failed", actions=()),
    Case("cancelled", seen(ended("Failed", "FailureTarget", "Cancelled", "as it was asked")),
         ("Degraded", "Cancelled"), "Failed", {"cancel": True}, actions=()),
    Case("stalled", seen([condition("Reconciling", "False", "InvalidSpec", "nothing can be done"),
                          condition("Stalled", "True", "InvalidSpec", "inputData names no input")]),
         ("Degraded", "InvalidSpec: inputData"), "Failed"),
    Case("deleted", seen(running()), ("Progressing", "deleted"), "InProgress", deleting=True),
    Case("deleted-complete", seen(ended("Complete", "SuccessCriteriaMet", "Done", "fine")),
         ("Progressing", "deleted"), "InProgress", deleting=True, actions=()),
    Case("newer-spec", seen(FAILED) | {"observedGeneration": GENERATION - 1},
         ("Progressing", "not seen"), "InProgress", actions=()),
]
