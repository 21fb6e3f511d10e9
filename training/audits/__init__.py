"""Audits of a model that is served: does it look at the lungs, and how far do its answers move when nothing ails more?"""
