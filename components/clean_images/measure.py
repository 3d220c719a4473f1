"""Numbers that say how much there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels


def contrast(pixels: Pixels) -> float:
    """Standard deviation of the channel that varies most, 0 to 127.5; 0 for a picture of one colour."""
    import cv2

    _, deviation = cv2.meanStdDev(pixels)
    return round(float(deviation.max()), 3)


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian of the luma: low where a picture is blurred.

    Only comparable between pictures of one size. Pech-Pacheco et al., ICPR 2000.
    """
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    return round(float(deviation[0, 0]) ** 2, 3)
