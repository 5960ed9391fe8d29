"""Run mmaction2's own test script with this plugin: the same arguments, but errors of input take one line."""

import host_script

if __name__ == '__main__':
    host_script.run('test.py')
