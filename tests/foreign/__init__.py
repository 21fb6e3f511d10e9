"""Pictures that are no axial chest CT: drawn by our own code, and real ones gathered from public packages."""
