"""Run mmaction2's own test script with this plugin importable: the same arguments, nothing added."""

from train import run_host_tool

if __name__ == '__main__':
    run_host_tool('test.py')
