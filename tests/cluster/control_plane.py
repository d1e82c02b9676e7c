"""etcd, API server, controllers and scheduler of a cluster, inside its enclosure."""

import pathlib

import certificates
import enclosure
import programs

HERE = pathlib.Path(__file__).resolve().parent
SERVICE_ADDRESS = "10.96.0.1"  # of the API server, for pods; on lo, so that nothing forwards to it
SERVICE_RANGE = "10.96.0.0/24"
SERVER = "https://127.0.0.1:443"
ETCD = "http://127.0.0.1:2379"
PKI = f"{enclosure.INSIDE}/pki"
AUDIT_LOG = "audit.log"
USERS = {"admin": ("admin", "system:masters"),
         "controller-manager": ("system:kube-controller-manager", ""),
         "scheduler": ("system:kube-scheduler", "")}
# Tests start many pods at once, and lose nodes.
CLIENT_RATES = ("--kube-api-qps=300", "--kube-api-burst=600")
NODE_MONITOR = ("--node-monitor-period=2s", "--node-monitor-grace-period=24s")


class ControlPlane:
    """Starts and stops its processes; `etcd`, `apiserver`, `controller-manager`, `scheduler`."""

    def __init__(self, home: enclosure.Enclosure, found: programs.Programs,
                 authority: certificates.Authority):
        self.home, self.programs, self.authority = home, found, authority

    def prepare(self) -> None:
        """Keys, certificates, kubeconfigs and policies."""
        self.authority.create()
        self.authority.issue("apiserver", "kube-apiserver", addresses=(
            f"IP:127.0.0.1,IP:{SERVICE_ADDRESS},DNS:localhost,DNS:kubernetes.default.svc"))
        for name, (user, group) in USERS.items():
            self.authority.issue(name, user, group)
            self.write_kubeconfig(name)
        policy = (HERE / "audit-policy.yaml").read_text(encoding="utf-8")
        (self.home.folder / "audit-policy.yaml").write_text(policy, encoding="utf-8")

    def write_kubeconfig(self, name: str) -> pathlib.Path:
        path = self.home.folder / f"{name}.kubeconfig"
        path.write_text(self.authority.kubeconfig(name, SERVER), encoding="utf-8")
        path.chmod(0o600)
        return path

    def start_etcd(self) -> None:
        self.home.start("etcd", [
            self.programs.path("etcd"), f"--data-dir={enclosure.INSIDE}/etcd",
            f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn"])

    def start_api_server(self, *flags: str) -> None:
        """Additional flags win over those given here."""
        self.home.start("apiserver", [
            self.programs.path("kube-apiserver"), f"--etcd-servers={ETCD}",
            "--bind-address=0.0.0.0", "--secure-port=443",
            f"--advertise-address={SERVICE_ADDRESS}", "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={PKI}/ca.crt", f"--tls-cert-file={PKI}/apiserver.crt",
            f"--tls-private-key-file={PKI}/apiserver.key",
            f"--kubelet-client-certificate={PKI}/admin.crt",
            f"--kubelet-client-key={PKI}/admin.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={PKI}/service-accounts.key",
            f"--service-account-signing-key-file={PKI}/service-accounts.key",
            f"--audit-policy-file={enclosure.INSIDE}/audit-policy.yaml",
            f"--audit-log-path={enclosure.INSIDE}/{AUDIT_LOG}", "--audit-log-maxsize=100000",
            *flags])

    def start_controllers(self, with_scheduler: bool, *flags: str) -> None:
        """After the API server answers. Additional flags are the controller manager's."""
        self.home.start("controller-manager", [
            self.programs.path("kube-controller-manager"),
            f"--kubeconfig={enclosure.INSIDE}/controller-manager.kubeconfig",
            f"--root-ca-file={PKI}/ca.crt", "--use-service-account-credentials",
            f"--service-account-private-key-file={PKI}/service-accounts.key",
            "--leader-elect=false", *CLIENT_RATES, *NODE_MONITOR, *flags])
        if with_scheduler:
            self.home.start("scheduler", [
                self.programs.path("kube-scheduler"), "--leader-elect=false", *CLIENT_RATES,
                f"--kubeconfig={enclosure.INSIDE}/scheduler.kubeconfig"])
