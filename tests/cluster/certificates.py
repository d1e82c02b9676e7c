"""The cluster's own certificate authority, by openssl."""

import base64
import json
import pathlib
import secrets
import subprocess

DAYS = "30"
KEY = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def _openssl(*arguments) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


class Authority:
    """Signs certificates for clients and servers; all files lie in `folder`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.certificate = folder / "ca.crt"

    def create(self) -> None:
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        _openssl("req", "-x509", "-newkey", *KEY, "-days", DAYS, "-subj", "/CN=cluster-ca",
                 "-keyout", self.folder / "ca.key", "-out", self.certificate)
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout",
                 "-out", self.folder / "service-accounts.key")

    def issue(self, name: str, user: str, group: str = "", addresses: str = "") -> None:
        """`name`.crt and .key for `user` of `group`; `addresses` as openssl's subjectAltName."""
        base = self.folder / name
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        extensions = "extendedKeyUsage=serverAuth,clientAuth\n"
        if addresses:
            extensions += f"subjectAltName={addresses}\n"
        base.with_suffix(".ext").write_text(extensions)
        _openssl("req", "-newkey", *KEY, "-subj", subject, "-keyout", base.with_suffix(".key"),
                 "-out", base.with_suffix(".csr"))
        _openssl("x509", "-req", "-in", base.with_suffix(".csr"), "-days", DAYS,
                 "-CA", self.certificate, "-CAkey", self.folder / "ca.key",
                 "-set_serial", str(secrets.randbits(63)),
                 "-extfile", base.with_suffix(".ext"), "-out", base.with_suffix(".crt"))

    def kubeconfig(self, name: str, server: str) -> str:
        """A kubeconfig for the certificate `name`, complete in itself."""
        def data(file: str) -> str:
            return base64.b64encode((self.folder / file).read_bytes()).decode()

        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "cluster",
            "clusters": [{"name": "cluster", "cluster": {
                "server": server, "certificate-authority-data": data("ca.crt")}}],
            "users": [{"name": name, "user": {
                "client-certificate-data": data(f"{name}.crt"),
                "client-key-data": data(f"{name}.key")}}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": name}}],
        }, indent=1)
