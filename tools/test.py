"""Run mmaction2's own test script with this plugin: the same arguments; an error of input is one line."""

from train import run_host_tool

if __name__ == '__main__':
    run_host_tool('test.py')
