"""Scales, recipes and schedules are read without PyTorch."""

from __future__ import annotations

import subprocess
import sys


def test_settings_and_the_names_of_the_package_need_no_torch() -> None:
    code = (
        "import sys, supernets, supernets.settings\n"
        "assert supernets.NetworkScale is supernets.settings.NetworkScale\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_options_that_methods_share_need_no_torch() -> None:
    code = (
        "import sys; from nas_algos.weight_sharing.configs import GradientConfig\n"
        "assert GradientConfig().arch_learning_rate == 3e-4\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
