"""Processes that are forked from the process of the tests, so that they need not import everything again."""

import multiprocessing

import pytest
import torch
import torch._dynamo  # optimizers import it; imported here, so that not every fork does it again


def forked(test):
    """Mark a test that forks."""
    return pytest.mark.processes(test)


def run_forked(target, *args):
    """Run a function in a process with one thread; return its exit code."""

    def run():
        torch.set_num_threads(1)
        target(*args)

    process = multiprocessing.get_context('fork').Process(target=run)
    process.start()
    process.join(300)  # seconds; generous, since other programs may slow the machine
    return process.exitcode


def in_two_processes(target, *args):
    """Run ``target(rank, *args)`` in two processes, in the environment that a launcher sets up for two ranks."""
    # The processes find each other by a store of this process, as by that of a launcher, on a free port that it keeps.
    store = torch.distributed.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)

    def rank_of_two(rank):
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            variables = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=store.port, TORCHELASTIC_USE_AGENT_STORE=True)
            variables |= dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=2)
            for name, value in variables.items():
                patch.setenv(name, str(value))
            target(rank, *args)
            torch.distributed.destroy_process_group()

    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=rank_of_two, args=(rank,)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
