"""Import, training and inference use no network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fsptal_mm

ROOT = Path(fsptal_mm.__file__).parents[1]

# Written to sitecustomize.py, which Python runs at its start, also in the workers of loaders. Local sockets (AF_UNIX)
# are allowed, since workers use them to hand tensors to the main process.
GUARD = """
import socket, sys

def refuse(event, args):
    if event in ('socket.connect', 'socket.sendto', 'socket.sendmsg') and args[0].family == socket.AF_UNIX:
        return
    if event in ('socket.connect', 'socket.sendto', 'socket.sendmsg', 'socket.getaddrinfo', 'socket.gethostbyname'):
        with open({log!r}, 'a') as log:
            print(event, args[1:], file=log)
        raise RuntimeError(f'network used: {{event}} {{args}}')

sys.addaudithook(refuse)
"""

RUN = """
import socket, sys
from pathlib import Path
try:  # the guard itself works
    socket.create_connection(('192.0.2.1', 9), timeout=1)
except RuntimeError:
    print('guarded')
Path(sys.argv[1]).unlink()
import fsptal_mm.apis, fsptal_mm.visualization
from tiny_run import make_runner
folder = Path(sys.argv[2])
runner = make_runner(folder, hooks=[dict(type='PseudoLabelMiningHook')], epochs=2, lr=0.01, workers=1)
runner.train()
from mmengine.config import Config
head = dict(type='FSPTALHead', num_classes=2, in_channels=8)
embedding = dict(type='SnippetEmbedding', in_channels=6, out_channels=8)
steps = ['LoadSnippetFeatures', 'PointsToSnippets', 'PackPointTALInputs']
dataset = dict(type='PointTALDataset', grid=dict(snippet_sec=1.0), pipeline=[dict(type=step) for step in steps])
config = Config(
    dict(model=dict(type='PointTAL', embedding=embedding, head=head), test_dataloader=dict(dataset=dataset))
)
inferencer = fsptal_mm.apis.TALInferencer(config, folder / 'run/epoch_2.pth', 'cpu')
found = inferencer(str(folder / 'features'), out_dir=str(folder / 'out'), timeline=True)
print(len(found['predictions']), 'videos,', len(found['visualization']), 'pictures')
"""


@pytest.mark.processes
def test_training_and_inference_use_no_network(tmp_path):
    log, site = tmp_path / 'network.log', tmp_path / 'site'
    site.mkdir()
    (site / 'sitecustomize.py').write_text(GUARD.format(log=str(log)))
    path = os.pathsep.join(map(str, (site, ROOT, ROOT / 'tests')))
    environment = os.environ | dict(PYTHONPATH=path, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
    command = [sys.executable, '-c', RUN, str(log), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'guarded' in done.stdout
    assert '5 videos, 5 pictures' in done.stdout
    assert not log.exists(), log.read_text()
