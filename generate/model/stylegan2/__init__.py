"""StyleGAN2 as others published it: pickles of StyleGAN2-ADA, Flax and TensorFlow, read as data and drawn from."""
