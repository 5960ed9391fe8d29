# For analysis only: the base model with a label for every snippet, from the ground-truth segments.
_base_ = ['./base_synthetic.py']

# Labels are certain, so plain cross-entropy in place of the focal loss. Learning goes on for twice as long.
model = dict(head=dict(point_loss=dict(exponent=0)))
train_dataloader = dict(dataset=dict(supervision='segments'))
train_cfg = dict(max_epochs=150, val_interval=50)
