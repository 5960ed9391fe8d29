# Use this file in place of default_runtime.py to write curves for TensorBoard, too (pip install
# 'fsptal_mm[tensorboard]').
_base_ = ['./default_runtime.py']

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='TALVisualizer', vis_backends=vis_backends)
