from small_sets import ROOT, save_untrained, small_config
from tool_modules import load_tool


def test_four_pictures_of_a_video(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / 'tools/docs')  # a script finds module_figures in its own folder
    config = small_config(tmp_path, 'fsptal_tuned/fsptal-tuned_synthetic')
    config.dump(tmp_path / 'fsptal.py')
    checkpoints = [save_untrained(config, tmp_path / f'{seed}.pth', seed) for seed in (0, 1)]
    out = tmp_path / 'out'
    arguments = [str(tmp_path / 'fsptal.py'), *checkpoints, '--video', 'train_003', '--out-dir', str(out)]
    load_tool('docs/plot_modules').main(arguments)
    names = ('label_extension', 'mining', 'score_contrast', 'feature_separation')
    assert {path.name for path in out.iterdir()} == {f'{name}.png' for name in names}
    assert capsys.readouterr().out.split() == [f'{out / name}.png' for name in names]
