# Manual points (SF-Net's four annotators, github.com/Flowerfan/SF-Net) in THUMOS14/point_manual/THUMOS{1,2,3,4}.txt.
# One annotator is drawn per video, as SF-Net does; `annotator=0` would take all of the first one's.
_base_ = ['./fsptal_i3d_thumos14.py']

train_dataloader = dict(dataset=dict(point_file=[f'point_manual/THUMOS{annotator}.txt' for annotator in (1, 2, 3, 4)]))
