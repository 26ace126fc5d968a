"""What a multiplier update does to a cost sequence, without training."""

from sweeps.preview.curves import Curve, Plant, curve_label, default_plant, preview, preview_curve

__all__ = ["Curve", "Plant", "curve_label", "default_plant", "preview", "preview_curve"]
