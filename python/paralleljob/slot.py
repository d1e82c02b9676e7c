"""One slot: a forked process from its set-up to its end."""

import faulthandler
import json
import os
import select
import sys
import traceback

from . import errors, pandas_version, script, streams, system, transport, wire
from .channel import Channel, Closed
from .entry import EntryScript
from .program import Program, flush_output

_LOST_CONNECTION = 70
SETUP_FAILED = 71


class Slot:
    """`request` is the spawn message; `fds` its socket, page, stdout, stderr and log."""

    def __init__(self, job, request, fds):
        self._job = job
        self._request = request
        self._pid = os.getpid()
        self._page_fd = system.move_high(fds[1])
        self._log_fd = system.move_high(fds[4])
        self._channel = Channel(system.move_high(fds[0]))
        streams.redirect(fds[2], fds[3])
        faulthandler.enable(2)  # a crash leaves the script's stack in its log
        stacks = system.move_high(os.dup(2))  # before a kill for a timeout the zygote asks for them
        faulthandler.register(system.STACK_SIGNAL, stacks, all_threads=True)

    def main(self):
        """Runs to the end and never returns."""
        try:
            if not self._request.get("user", True):
                self._wait_for_start()
            try:
                self._enter()
            except OSError as error:  # of the folders: no call in there uses the connection
                sys.stderr.write("paralleljob: the slot could not be set up: %s\n" % error)
                self._end(SETUP_FAILED)
            code = self._work()
        except Closed:
            os._exit(0)
        except OSError as error:
            code = self._report_lost(error)
        except BaseException:
            traceback.print_exc()
            code = _LOST_CONNECTION
        self._end(code)

    def _wait_for_start(self):
        poll = select.poll()
        poll.register(self._channel.fd, select.POLLIN)
        poll.poll()
        if self._channel.peek_kind() == wire.START:
            _, _, body = self._channel.receive()
            self._request.update(json.loads(bytes(body).decode("utf-8")))

    def _enter(self):
        """Working directory, environment, argv and sys.path, as the script expects them."""
        job, request = self._job, self._request
        process = int(request.get("process", 0))
        for name, value in {**job.env, **request.get("env", {})}.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        cwd = request.get("cwd") or os.getcwd()
        os.chdir(cwd)
        errors.show_without(cwd)
        sys.path[:] = [cwd] + [p for p in sys.path if p not in ("", cwd, job.runtime_dir)]
        sys.path.append(job.runtime_dir)
        sys.argv[:] = [os.path.join(cwd, job.entry_script)] + list(job.argv)
        streams.capture_logging(self._log_fd, job.logging_level)
        log_dir = os.path.join(job.logs_dir, "user", "entry_script_log", job.node)
        EntryScript()._set("process%03d" % process, job.output_dir, log_dir, cwd)
        script.make_room_for_users_modules(cwd)

    def _work(self):
        channel = self._channel
        if channel_is_shut(channel):
            channel.receive()  # unread, it would break the connection before the answer is read
            channel.send(wire.BYE)
            return 0
        user = self._load()
        if user is None:
            return 1
        program = Program(self._job, user, channel.note)
        loop = transport.make_loop(channel, self._page_fd, program)
        channel.send_json(
            wire.READY,
            {
                "pid": self._pid,
                "python": "%d.%d.%d" % sys.version_info[:3],
                "transport": transport.name(),
                "maxFrame": wire.FRAME_BYTES,
            },
        )
        if not loop.serve():
            os._exit(0)
        self._shutdown(user)
        flush_output()
        program.note_totals()
        if streams.LogFile.dropped:
            channel.note(
                "%d bytes of the script's logs were dropped: no space to write them"
                % streams.LogFile.dropped
            )
        if streams.LogFile.cut:
            channel.note(
                "%d bytes of the script's logs were dropped: over the limit of %d MiB for one log"
                % (streams.LogFile.cut, streams.LIMIT >> 20)
            )
        channel.send(wire.BYE)
        return 0

    def _load(self):
        """Imports the script and calls init(); None after an error that the agent was told."""
        category = "EntryScriptFailed"
        try:
            if self._job.import_pandas:
                pandas_version.check_table_input()
            user = script.load(self._job.entry_script, os.getcwd())
            self._stay_parent()
            category = "InitFailed"
            if user.init is None:
                self._channel.note(
                    "entry script %r has no init(): nothing to do before run()"
                    % self._job.entry_script
                )
            else:
                user.init()
            self._stay_parent()
            return user
        except BaseException as exc:  # SystemExit in a script's body is a failed import
            self._stay_parent()
            _, message, shown = errors.describe(exc)
            message = message.decode("utf-8")
            if isinstance(exc, SystemExit):  # argparse has told why
                told = errors.escape(streams.last_error_line())
                message += " (%s)" % told if told else ""
            self._channel.send_json(
                wire.INIT_ERROR,
                {
                    "category": category,
                    "message": message,
                    "traceback": shown.decode("utf-8"),
                },
            )
            return None

    def _stay_parent(self):
        if os.getpid() != self._pid:
            os._exit(0)  # a child that user code forked, and that came back to us

    def _shutdown(self, user):
        if user.shutdown is None:
            return
        try:
            user.shutdown()
        except BaseException as exc:
            self._stay_parent()
            self._channel.note("shutdown() failed: " + errors.describe(exc)[1].decode("utf-8"))
            sys.stderr.write(errors.shown_traceback(exc))
        self._stay_parent()

    def _report_lost(self, error):
        """EBADF, ENOTSOCK…: user code closed or reused our descriptors."""
        try:
            sys.stderr.write(
                "paralleljob: the connection to the agent is lost (%s): "
                "did the script close descriptors that it did not open?\n" % error.strerror
            )
        except Exception:
            return _LOST_CONNECTION
        return _LOST_CONNECTION

    def _end(self, code):
        """As an interpreter ends: threads joined, atexit called, logs flushed."""
        import atexit
        import threading

        try:
            threading._shutdown()
            atexit._run_exitfuncs()
        except BaseException:
            traceback.print_exc()
        flush_output()
        os._exit(code)


def channel_is_shut(channel):
    """A spare that was never needed hears shutdown as its first message."""
    poll = select.poll()
    poll.register(channel.fd, select.POLLIN)
    return bool(poll.poll(0)) and channel.peek_kind() == wire.SHUTDOWN
