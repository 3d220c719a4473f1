"""Pictures that can be trained on: checked, decoded, upright, cropped, resized, measured."""
