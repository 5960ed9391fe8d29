# Analysis only: the fully supervised ceiling of the same trunk and proposals, with every snippet labelled.
_base_ = ['./base_synthetic.py']

# Plain cross-entropy, and twice as long: labels are dense and certain, and learning goes on for longer.
model = dict(head=dict(point_loss=dict(exponent=0)))
train_dataloader = dict(dataset=dict(supervision='segments'))
train_cfg = dict(max_epochs=150, val_interval=50)
