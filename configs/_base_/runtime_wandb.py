# Use this file in place of default_runtime.py to write curves for Weights & Biases, too (pip install
# 'fsptal_mm[wandb]'). The curves stay on this machine, below the work directory, until `wandb sync` uploads them; with
# mode='online', they are sent at once.
_base_ = ['./default_runtime.py']

vis_backends = [
    dict(type='LocalVisBackend'),
    dict(type='WandbVisBackend', init_kwargs=dict(project='fsptal_mm', mode='offline')),
]
visualizer = dict(type='TALVisualizer', vis_backends=vis_backends)
