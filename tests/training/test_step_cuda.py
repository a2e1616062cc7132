"""Captured steps on a CUDA device that train like eager ones."""

import pytest
import torch

from stylenet.training import RunFolder

from .test_resume import weights
from .test_step import MODULES, data_of, fit_in, one_style, trained

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_captured_step_equals_an_eager_one(make, accumulate, make_data, photos, tmp_path):
    data = data_of(make, make_data, photos)
    results = [
        trained(
            make,
            mode,
            data,
            tmp_path / mode,
            steps=8,
            accelerator="gpu",
            accumulate_grad_batches=accumulate,
        )[0]
        for mode in ("false", "auto")
    ]
    assert results[0]._replayed is None
    assert results[1]._replayed._replay_update is not None
    before, after = (weights(module) for module in results)
    for name, value in before.items():
        torch.testing.assert_close(value, after[name], rtol=0, atol=1e-7)


def test_a_run_resumes_on_cpu_and_on_gpu(make_data, tmp_path):
    uninterrupted, _ = trained(one_style, "auto", make_data(), tmp_path / "cpu", steps=8)
    trained(one_style, "auto", make_data(), tmp_path / "gpu", steps=8, accelerator="gpu")
    checkpoint = RunFolder(tmp_path / "gpu").checkpoint(4)
    for name, accelerator in (("on-cpu", "cpu"), ("on-gpu", "gpu")):
        module, _ = trained(
            one_style,
            "auto",
            make_data(),
            tmp_path / name,
            checkpoint,
            steps=8,
            accelerator=accelerator,
        )
        for key, value in weights(uninterrupted).items():
            torch.testing.assert_close(weights(module)[key], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["auto", "false"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "32-true"])
def test_gradients_are_clipped_in_every_precision(
    mode, precision, make_module, make_data, tmp_path
):
    # Lightning refuses to clip gradients for a fused optimizer.
    module = make_module()
    module.compile_mode = mode
    before = {name: value.clone() for name, value in weights(module).items()}
    fit_in(module, make_data(), tmp_path, 6, None, accelerator="gpu", precision=precision)
    assert (module._replayed is not None) == (mode == "auto" and precision != "16-mixed")
    assert any(not torch.equal(value.cpu(), before[k]) for k, value in weights(module).items())
