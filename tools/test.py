"""Run mmaction2's own test script with this plugin: the same arguments, but one-line errors for wrong input."""

import host_script

if __name__ == '__main__':
    host_script.run('test.py')
