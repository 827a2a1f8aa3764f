"""How `fit` gets from windows of images to what `transform` needs.

`random_start` trains untrained networks on the images; `prior_start` applies the
network that was trained beforehand, as `conditioned` on the noise, of which
`second_thoughts` are had. Each has a plan of its own, and the function that carries it
out; `planes` does the latter plane by plane where their noise differs.
`plan` is what they share, `windows` what they read, `intensities` what the networks see
of it.
"""
