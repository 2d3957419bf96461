"""Turn a picture into a square: find and cut out the object, crop, resize once.

python -c "from generate.preparing.cropping import *; make_square(Image.open('a.png').convert('RGBA'), Recipe(crop='object')).show()"
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from generate.images import BadPicture, paint
from generate.preparing import detecting
from generate.preparing.masks import Box, box_of, grabcut, own_mask, rembg_mask
from generate.preparing.recipe import KEEP, TRANSPARENT, Recipe


def make_square(image: Image.Image, recipe: Recipe) -> Image.Image:
    """An RGB or RGBA picture as a `size` x `size` one: RGBA if the background is transparent, else RGB.

    Resized once, with Pillow's antialiased bicubic filter. Raises BadPicture if the object is missing or too small.
    """
    box = None
    if recipe.detects:
        model = detecting.load_detector(recipe.detector, recipe.detects)
        box = detecting.detect(paint(image, recipe.paint), model, recipe.labels, recipe.detector)
    mask = own_mask(image)
    if mask is None and (recipe.cutout != "none" or (recipe.crop == "object" and box is None)):
        mask = rembg_mask(image, recipe.rembg_model) if recipe.cutout == "rembg" else grabcut(image, box)
        if recipe.cutout != "none" and recipe.background != KEEP:
            image = image.convert("RGB")
            image.putalpha(Image.fromarray(mask))
    if recipe.crop == "object":
        box = box or box_of(mask) if mask is not None else box
        image = crop_around(image, box, recipe)
    elif recipe.crop == "pad":
        image = pad(image, recipe)
    else:
        image = crop_center(image)
    if recipe.background == TRANSPARENT:
        # premultiplied alpha, or colours of invisible pixels would bleed into the edge
        image = image.convert("RGBA").convert("RGBa")
        return image.resize((recipe.size, recipe.size), Image.Resampling.BICUBIC).convert("RGBA")
    return paint(image, recipe.paint).resize((recipe.size, recipe.size), Image.Resampling.BICUBIC)


def crop_center(image: Image.Image) -> Image.Image:
    """The largest centred square."""
    side = min(image.size)
    if image.width == image.height:
        return image
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def crop_around(image: Image.Image, box: Box | None, recipe: Recipe) -> Image.Image:
    """A square around the box with padding.

    With transparency the box is centred exactly, and areas outside the picture are transparent. Without, the square is
    moved inside the picture and is no larger than it.
    """
    if box is None:
        raise BadPicture("no object found: the picture is fully transparent")
    width, height = box[2] - box[0], box[3] - box[1]
    if max(width, height) < recipe.smallest:
        raise BadPicture(f"object too small: {width}x{height}, {recipe.smallest} px required")
    side = round(max(width, height) * (1 + 2 * recipe.padding))
    if image.mode != "RGBA":
        side = min(side, *image.size)
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    if image.mode != "RGBA":
        left, top = max(0, min(left, image.width - side)), max(0, min(top, image.height - side))
    return image.crop((left, top, left + side, top + side))


def pad(image: Image.Image, recipe: Recipe) -> Image.Image:
    """The whole picture in a square, with bars of the background, or of repeated edge pixels if the background is kept."""
    side = max(image.size)
    left, top = (side - image.width) // 2, (side - image.height) // 2
    if recipe.background == KEEP:
        right, bottom = side - image.width - left, side - image.height - top
        array = np.asarray(paint(image, recipe.paint))
        return Image.fromarray(cv2.copyMakeBorder(array, top, bottom, left, right, cv2.BORDER_REPLICATE))
    if recipe.background == TRANSPARENT:
        square = Image.new("RGBA", (side, side))
        square.paste(image, (left, top))
        return square
    square = Image.new("RGB", (side, side), recipe.paint)
    square.paste(paint(image, recipe.paint), (left, top))
    return square
