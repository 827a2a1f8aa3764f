"""Classical denoisers as estimators, with the contract of `Noise2DetailDenoiser`."""
