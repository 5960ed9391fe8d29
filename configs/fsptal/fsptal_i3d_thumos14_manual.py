# Manual points (SF-Net's four annotators, github.com/Flowerfan/SF-Net) in THUMOS14/point_manual/THUMOS{1,2,3,4}.txt.
# One annotator is drawn per video, as SF-Net does; with `annotator=0`, all points would be the first annotator's.
_base_ = ['./fsptal_i3d_thumos14.py']

train_dataloader = dict(dataset=dict(point_file=[f'point_manual/THUMOS{annotator}.txt' for annotator in (1, 2, 3, 4)]))
