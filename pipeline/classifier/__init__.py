"""Fitting of classifiers: data sets, training and calibration."""
