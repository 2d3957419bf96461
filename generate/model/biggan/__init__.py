"""BigGAN-deep as it is published on the Hugging Face hub and in pytorch-pretrained-biggan."""
