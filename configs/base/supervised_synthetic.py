# For analysis only: the base model, trained with a label for every snippet, from the ground-truth segments.
_base_ = ['./base_synthetic.py']

# The labels are certain, so the loss is a plain cross-entropy (exponent 0) instead of a focal loss. The training has
# twice as many epochs as that of base_synthetic.py, since the model improves for that long.
model = dict(head=dict(point_loss=dict(exponent=0)))
train_dataloader = dict(dataset=dict(supervision='segments'))
train_cfg = dict(max_epochs=150, val_interval=50)
