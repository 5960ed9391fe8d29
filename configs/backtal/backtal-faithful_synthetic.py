_base_ = [
    '../_base_/models/backtal_faithful.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/backtal_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=10, in_channels=64, hidden_channels=512))
train_dataloader = dict(batch_size=16, dataset=dict(supervision='clicks'))
