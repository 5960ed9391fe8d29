# Analysis only: the fully supervised ceiling of the same trunk and proposals, with every snippet labelled.
_base_ = ['./base_synthetic.py']

train_dataloader = dict(dataset=dict(supervision='segments'))
