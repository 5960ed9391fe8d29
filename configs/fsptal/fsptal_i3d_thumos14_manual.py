# THUMOS14 with the manual points of SF-Net's four annotators (github.com/Flowerfan/SF-Net), which must be in
# THUMOS14/point_manual/THUMOS{1,2,3,4}.txt. For each video, one annotator is drawn at random, as in SF-Net; with
# `annotator=0`, all points would be those of the first annotator.
_base_ = ['./fsptal_i3d_thumos14.py']

train_dataloader = dict(dataset=dict(point_file=[f'point_manual/THUMOS{annotator}.txt' for annotator in (1, 2, 3, 4)]))
