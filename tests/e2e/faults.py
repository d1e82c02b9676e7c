"""What the tests of faults share: who is left running, and file systems that fill up."""

import os
import pathlib
import subprocess

import jobs

# Rows of a steady size, in an order that shows every loss.
LINES = '''
    import os
    def run(mini_batch):
        return ["%s %s" % (os.path.basename(path), "x" * 1000) for path in mini_batch]
    '''

# For scripts: takes the rest of the disk DISK but LEAVE bytes, once a job (the file ONCE).
FILL = '''
    import os
    def fill():
        try:
            os.close(os.open(os.environ["ONCE"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        ballast = os.open(os.environ["DISK"] + "/ballast", os.O_CREAT | os.O_WRONLY)
        try:
            while True:
                os.write(ballast, bytes(4096))
        except OSError:
            size = os.fstat(ballast).st_size
        os.ftruncate(ballast, max(0, size - int(os.environ["LEAVE"])))
        os.close(ballast)
    '''


def lines(files):
    """What LINES leaves in the output."""
    return "".join(f"{number:05d}.txt {'x' * 1000}\n" for number in range(files))


def marked(mark):
    """pids of the processes whose environment carries MARK=<mark>."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environ = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if f"MARK={mark}".encode() in environ.split(b"\0"):
            found.append(int(pid))
    return found


def descendants(pid):
    """pids of the children of `pid`, theirs, and so on."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = pathlib.Path(f"/proc/{name}/stat").read_text()
        except OSError:
            continue
        parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def alive(pid):
    """False for a zombie too: it runs nothing any more."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def nothing_is_left(mark, pids=()):
    jobs.wait_until(lambda: not marked(mark) and not any(map(alive, pids)),
                    f"every process of {mark} gone", 10)


class SmallDisk:
    """A tmpfs of `kilobytes` at `folder`, its own file system; needs root."""

    def __init__(self, folder, kilobytes):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "small", folder)

    def _mount(self, *words):
        subprocess.run(["mount", *map(str, words)], check=True)

    def resize(self, kilobytes):
        self._mount("-o", f"remount,size={kilobytes}k", self.folder)

    def read_only(self, yes):
        self._mount("-o", "remount,ro" if yes else "remount,rw", self.folder)

    def free(self):
        info = os.statvfs(self.folder)
        return info.f_bavail * info.f_frsize

    def fill(self, leave):
        """A file takes all but `leave` bytes."""
        size = max(0, self.free() - leave)
        with open(self.folder / "ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size) if size else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
