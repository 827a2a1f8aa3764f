"""How the shipped networks were trained: ``python -m n2d.pretraining --help``.

Scenes are drawn by `n2d.datasets`, noise is simulated by `n2d.pretraining.batches`,
and `n2d.pretraining.loop` trains. No real image is involved anywhere.
"""
