# What every experiment shares: hooks, logging, environment.
default_scope = 'mmaction'
custom_imports = dict(imports=['fsptal_mm'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='StepInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='PacedLoggerHook', interval=20),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=10, save_last=True, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    results=dict(type='ResultFileHook'),
    run_checks=dict(type='RunChecksHook'),
    finite_loss=dict(type='FiniteLossHook'),
)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='TALVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
