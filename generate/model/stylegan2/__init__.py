"""Published StyleGAN2 generators: pickles of StyleGAN2-ADA, Flax and TensorFlow, read as data."""
