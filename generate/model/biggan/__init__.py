"""BigGAN-deep as published on the Hugging Face hub and in pytorch-pretrained-biggan."""
