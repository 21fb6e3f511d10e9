"""What the network is shown while training: prepared slices in several looks, some with synthetic disease."""
