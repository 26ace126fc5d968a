"""What a multiplier update does to a cost sequence, without training."""
