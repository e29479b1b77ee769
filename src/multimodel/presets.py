"""Presets: the sizes, data and training of the runs this project stands for, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from multimodel.build import Sizes
from multimodel.tasks.settings import DataSettings
from multimodel.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One dial: everything a run needs besides its tasks and its folder."""

    model: Sizes
    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)


PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        model=Sizes(
            width=16,
            heads=2,
            experts=4,
            experts_used=2,
            expert_width=16,
            dropout=0.0,
            image_channels=(16, 16, 16, 16),
            audio_channels=(4, 8),
            audio_strided=2,
        ),
        data=DataSettings(vocabulary=512),
        training=TrainingSettings(steps=20, warm_up=5, batch_cost=512, batch_examples=8, learning_rate=5e-3),
    ),
    "quickstart": Preset(
        model=Sizes(
            width=128,
            experts=16,
            expert_width=256,
            dropout=0.0,
            image_channels=(16, 32, 64, 128),
            audio_channels=(16, 32, 64),
            audio_strided=3,
        ),
        data=DataSettings(frequency_bins=12),
        training=TrainingSettings(
            minutes=11.0,
            precision="bfloat16",
            batch_cost=2048,
            learning_rate=3e-3,
            warm_up=200,
            rates={
                "speech": 2.0,
                "imageclass": 1.5,
                "caption": 1.5,
                "parse": 1.5,
                "en-de": 0.75,
                "de-en": 0.75,
                "en-fr": 0.75,
                "fr-en": 0.75,
            },
        ),
    ),
    "base": Preset(
        model=Sizes(width=512, experts=60, expert_width=1024, audio_channels=(16, 32, 64), audio_strided=3),
        data=DataSettings(vocabulary=8192, frequency_bins=40),
        training=TrainingSettings(
            steps=100_000, batch_cost=16_384, batch_examples=512, learning_rate=1e-3, warm_up=4000, precision="bfloat16"
        ),
    ),
    "paper": Preset(
        model=Sizes(width=1024, experts=240, expert_width=1024, dropout=0.4),
        data=DataSettings(vocabulary=8192, frequency_bins=80, caption_side=299, class_side=299, sample_rate=16_000),
        training=TrainingSettings(
            steps=1_000_000, batch_cost=16_384, batch_examples=512, decay="noam", warm_up=4000, precision="bfloat16"
        ),
    ),
}
