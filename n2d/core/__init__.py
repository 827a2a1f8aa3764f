"""Noise2Detail in PyTorch: tensors in, tensors out.

Nothing in here knows of scikit-learn, files or the axes of a user's array.
"""
