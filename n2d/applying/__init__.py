"""What `fit` has settled, applied: tile by tile, or when and where Dask asks."""
