# Analysis only: dense supervision, every snippet labelled, of the same trunk and proposals.
_base_ = ['./base_synthetic.py']

# Plain cross-entropy, and twice as long: labels are dense and certain, and learning goes on for longer.
model = dict(head=dict(point_loss=dict(exponent=0)))
train_dataloader = dict(dataset=dict(supervision='segments'))
train_cfg = dict(max_epochs=150, val_interval=50)
