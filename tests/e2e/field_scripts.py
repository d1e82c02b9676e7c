"""Entry scripts of the field table: each makes one kind of effect visible."""

# Says in its rows what it sees of its surroundings.
LOOKS = """
    import json, os, sys
    from paralleljob import EntryScript
    import helper
    def init():
        EntryScript().logger.debug("a line for debugging")
        EntryScript().logger.info("a line to inform")
    def run(mini_batch, context):
        seen = {"argv": sys.argv[1:], "job": context.job_name, "paths": mini_batch,
                "keys": context.partition_key_value, "helper": helper.NAME,
                "env": [os.environ.get("OF_JOB"), os.environ.get("OF_ENVIRONMENT")]}
        return [json.dumps(seen)] * len(mini_batch)
    """
# Fails in the mini-batch of the first file.
FAILS = """
    def run(mini_batch):
        if mini_batch[0].endswith("0.txt"):
            raise ValueError("cannot read")
        return mini_batch
    """
# Returns one row less than it was given.
SHORT = """
    def run(mini_batch):
        return mini_batch[1:]
    """
# Hangs in the mini-batch of the first file.
HANGS = """
    import threading
    def run(mini_batch):
        if mini_batch[0].endswith("0.txt"):
            threading.Event().wait()
        return mini_batch
    """
# The first file changes after it was planned, and looking at it takes for ever.
LOADS_SLOWLY = """
    import os, threading
    stat = os.stat
    def slow_stat(path, *more, **named):
        if str(path).endswith("data/0.txt"):
            threading.Event().wait()
        return stat(path, *more, **named)
    def init():
        os.utime(os.environ["OF_JOB"] + "/data/0.txt", (1, 1))
        os.stat = slow_stat
    def run(mini_batch):
        return mini_batch
    """
# The first process never gets ready, the next one does.
INIT_HANGS = """
    import os, threading
    def init():
        try:
            os.close(os.open(os.environ["OF_JOB"] + "/once", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        threading.Event().wait()
    def run(mini_batch):
        return mini_batch
    """
# The last attempt wants a new process, and the old one does not end.
ENDS_SLOWLY = """
    import threading
    def run(mini_batch):
        raise ValueError("never good")
    def shutdown():
        threading.Event().wait()
    """
# No process gets ready, and none ends.
STARTS_SLOWLY = """
    import threading
    threading.Thread(target=threading.Event().wait).start()
    raise ValueError("cannot start")
    def run(mini_batch):
        return mini_batch
    """
FRAMES = """
    import pandas
    def run(mini_batch):
        return pandas.DataFrame({"colour": ["red", "blue"], "count": [1, 2]})
    """
DICTS = """
    def run(mini_batch):
        return [{"colour": "red"} for path in mini_batch]
    """
IMPORTS = """
    import one_wheel, two_wheel
    def run(mini_batch):
        return [one_wheel.__name__ + two_wheel.__name__ for path in mini_batch]
    """
