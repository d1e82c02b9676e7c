"""What keeps a slot from its work is told as what it is."""

import os

from paralleljob.slot import SETUP_FAILED


def test_a_working_folder_that_is_not_there_is_named(zygote):
    z = zygote().script("def run(mini_batch): return mini_batch\n").start()
    slot = z.spawn(cwd="no/such/folder")
    status = z.exited(slot)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == SETUP_FAILED
    told = slot.text("stderr")
    assert "No such file or directory: 'no/such/folder'" in told and "connection" not in told
