// The contract between the operator, which writes worker pods, and the programs that run in them:
// containers, commands, folders, environment names. Both sides take every word from here.
//
//   init container `install`   our image: copies the slot host and the Python runtime into the
//                              runtime volume, then ends.
//   init container `user`      the user's image, restartPolicy Always (a native sidecar), no API
//                              token: the slot host, which starts Python processes and hands each
//                              one's socket to the agent over kHostSocket (SCM_RIGHTS).
//   container `agent`          our image, the only one with the API token: the supervisor as PID 1,
//                              which starts the agent again whenever it dies, as a new incarnation.
//
// A finaliser pod (no agent lives and the job has to end) has the container `agent` only, with
// kFinaliseCommand: it seals, publishes and creates `result`.
//
// A reader pod (`paralleljob fetch`) has one container of our image with kReadCommand: it serves
// the files below kReadDir over HTTP, to whoever knows the token, until it is deleted.
//
// Every container has a read-only root, runs as the same non-root user, and finds HOME and TMPDIR
// on an emptyDir of its own. A pod is told to stop by SIGTERM to each PID 1: the agent drains
// (finish running calls, commit, release) within kGraceSeconds; the slot host ignores SIGTERM and
// ends when the agent's connection is gone for good or kGraceSeconds have passed (sidecars are
// stopped after the main container).
#pragma once

namespace pj::job {

// --- Containers ----------------------------------------------------------------------------------
inline constexpr char kInstallContainer[] = "install";
inline constexpr char kUserContainer[] = "user";
inline constexpr char kAgentContainer[] = "agent";

// --- Commands ------------------------------------------------------------------------------------
// In our image.
inline constexpr char kWorkerProgram[] = "/usr/local/bin/paralleljob-worker";
inline constexpr char kInstallCommand[] = "install";      // install kRuntimeDir: fills it
inline constexpr char kUnpackFlag[] = "--unpack-code";    // and kCodeDir from kCodePartsDir
inline constexpr char kSuperviseCommand[] = "supervise";  // PID 1 of `agent`; starts `agent`
inline constexpr char kAgentCommand[] = "agent";  // one incarnation; started by the supervisor
inline constexpr char kFinaliseCommand[] = "finalise";
inline constexpr char kReadCommand[] = "read";  // read [PATH …]: only these, below kReadDir
// In the runtime volume, as `install` puts it there.
inline constexpr char kHostProgram[] = "/paralleljob/runtime/bin/paralleljob-host";

// An agent exits 0 only after it has read `result` (protocol rule 12); the supervisor ends with
// that, and with kExitGone when its own job, run or pod is no longer wanted.
inline constexpr int kExitGone = 42;

// --- Folders -------------------------------------------------------------------------------------
// The same path in every container that sees it. rw: written; ro: only read.
inline constexpr char kRunDir[] = "/paralleljob/run";                // agent rw, user rw: sockets
inline constexpr char kHostSocket[] = "/paralleljob/run/host.sock";  // the slot host listens
inline constexpr char kRuntimeDir[] = "/paralleljob/runtime";        // install rw, user ro
inline constexpr char kPythonDir[] = "/paralleljob/runtime/python";  // holds package `paralleljob`
inline constexpr char kCodeDir[] = "/paralleljob/code";  // user ro; install rw: code.archive
inline constexpr char kCodePartsDir[] = "/paralleljob/code-parts";  // install ro: code.archive
inline constexpr char kCodePartKey[] = "part";                      // of each of its ConfigMaps
inline constexpr char kInputsDir[] = "/paralleljob/inputs";         // <name>: agent ro, user ro
inline constexpr char kOutputsDir[] = "/paralleljob/outputs";       // <name>: agent rw, user rw
// The run's own folder of the work volume. Agent rw; of it the user container sees only
// kUserLogsDir.
inline constexpr char kWorkDir[] = "/paralleljob/work";
inline constexpr char kSegmentsDir[] = "/paralleljob/work/segments";
inline constexpr char kLogsDir[] = "/paralleljob/work/logs";
inline constexpr char kUserLogsDir[] = "/paralleljob/work/logs/user";  // user rw
inline constexpr char kPlansDir[] = "/paralleljob/work/plans";
// An emptyDir of each container: HOME and TMPDIR; copies of the code lie below kTmpDir of `user`.
inline constexpr char kHomeDir[] = "/paralleljob/home";
inline constexpr char kTmpDir[] = "/tmp";
// podTemplate.volumes: <name>, user rw; but one called kSharedMemoryVolume, as Azure's shm_size
// makes it, is the user container's shared memory.
inline constexpr char kVolumesDir[] = "/paralleljob/volumes";
inline constexpr char kSharedMemoryVolume[] = "dshm";
inline constexpr char kSharedMemoryDir[] = "/dev/shm";
// Agent ro: the `job` ConfigMap, mounted as files (no request is needed to read them).
inline constexpr char kJobDir[] = "/paralleljob/job";
inline constexpr char kManifestKey[] = "job.json";  // for api::LoadStoredJob
inline constexpr char kManifestFile[] = "/paralleljob/job/job.json";

// Of a reader pod: outputs/<name> and logs, read only.
inline constexpr char kReadDir[] = "/paralleljob/read";
inline constexpr int kReadPort = 8077;

// An input or output whose path names a file is mounted by its folder: its path in a container is
// kInputsDir/<name>/<base name>. uri_folder and the others: kInputsDir/<name>.
//
// Folder of a run on the work volume: kWorkFolder/<job>-<h>, mounted as kWorkDir.
inline constexpr char kWorkFolder[] = "paralleljob";

// --- Environment ---------------------------------------------------------------------------------
// In `agent` (and the finaliser). None of these is set in `user`: the slots' environment is what
// the agent sends, on top of what the pod template and the manifest set for the container.
inline constexpr char kEnvNamespace[] = "PARALLELJOB_NAMESPACE";
inline constexpr char kEnvJob[] = "PARALLELJOB_JOB";          // name of the ParallelJob
inline constexpr char kEnvUid[] = "PARALLELJOB_UID";          // its UID
inline constexpr char kEnvRun[] = "PARALLELJOB_RUN";          // run number, from 1
inline constexpr char kEnvOrdinal[] = "PARALLELJOB_ORDINAL";  // the pod's completion index
inline constexpr char kEnvPodName[] = "PARALLELJOB_POD_NAME";
inline constexpr char kEnvPodUid[] = "PARALLELJOB_POD_UID";  // holder in Leases and shards
inline constexpr char kEnvPodIp[] = "PARALLELJOB_POD_IP";
inline constexpr char kEnvNodeName[] = "PARALLELJOB_NODE_NAME";
inline constexpr char kEnvGpus[] = "PARALLELJOB_GPUS";           // of `user`; absent: none
inline constexpr char kEnvLogLevel[] = "PARALLELJOB_LOG_LEVEL";  // debug, info …; absent: the job's
inline constexpr char kEnvLogFormat[] = "PARALLELJOB_LOG_FORMAT";  // text or json
inline constexpr char kEnvReadToken[] = "PARALLELJOB_READ_TOKEN";  // of a reader pod
// In `user`: how long the slot host waits for a new agent after one went.
inline constexpr char kEnvGrace[] = "PARALLELJOB_GRACE_SECONDS";
inline constexpr int kGraceSeconds = 30;

// Slots of an instance: spec.maxConcurrencyPerInstance of job.json, else 1 when kEnvGpus is set,
// else the cores of the user container's control group, as the slot host reports them.

// --- Names and labels ----------------------------------------------------------------------------
inline constexpr char kJobLabel[] = "paralleljob.dev/job";
inline constexpr char kRunLabel[] = "paralleljob.dev/run";  // JobIdentity::ShortHash()

// The token's place in `agent`, as client libraries expect it.
inline constexpr char kTokenDir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

}  // namespace pj::job
