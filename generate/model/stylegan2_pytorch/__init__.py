"""StyleGAN2 as Phil Wang's stylegan2-pytorch trains it."""
