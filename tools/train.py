"""Run mmaction2's own training script with this plugin: the same arguments; wrong input gives an error of one line."""

import host_script

if __name__ == '__main__':
    host_script.run('train.py')
