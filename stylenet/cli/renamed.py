"""Options that were renamed: old name → new name."""

RENAMED: dict[str, str] = {
    "loss.adversarial_weight": "loss.adversarial.weight",
    "loss.content_layers": "loss.content.layers",
    "loss.content_weight": "loss.content.weight",
    "loss.discriminator_layers": "loss.adversarial.discriminator_layers",
    "loss.discriminator_lr_ratio": "loss.adversarial.discriminator_lr_ratio",
    "loss.discriminator_width": "loss.adversarial.discriminator_width",
    "loss.dream_channels": "loss.dream.channels",
    "loss.dream_layers": "loss.dream.layers",
    "loss.dream_weight": "loss.dream.weight",
    "loss.form": "loss.content.relative and loss.style.relative",
    "loss.objective": "loss.adversarial.objective",
    "loss.spectral_norm": "loss.adversarial.spectral_norm",
    "loss.style_folder": "loss.adversarial.style_folder",
    "loss.style_layers": "loss.style.layers",
    "loss.style_statistics": "loss.style.statistics",
    "loss.style_weight": "loss.style.weight",
    "loss.tv_weight": "loss.tv.weight",
    "optimizer.decay": "schedule",
    "optimizer.warmup_steps": "schedule.warmup_steps",
}
