"""The fusion engine with voice activity projection beside it, behind the contract of `services.turn.engine`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch

from services.common.engine import Model
from services.common.logs import get_logger
from services.common.settings import SharedSettings
from services.turn.engine import StreamConfig
from services.turn.engines.fusion import FusionEngine
from services.turn.engines.session import TurnSession
from services.turn.engines.vap.beside import Beside
from services.turn.engines.vap.channels import Channels
from services.turn.engines.vap.network import LEAD, Network, load
from services.turn.engines.vap.session import VapSession
from services.turn.engines.vap.weighing import Further, weights
from services.turn.settings import FusionOptions, VapOptions
from vivant.errors import Unusable

#: In the names of the files that their authors put under the MIT License; of the others no licence is stated.
_MIT: Final = "_kyoto_"
_NOTICE: Final = "No licence is stated for these weights of MaAI; the speech that they were trained on has terms of its own."

_log = get_logger(__name__)


class VapEngine:
    """Without the persona's own audio a stream is one of the fusion engine: the model hears two sides, or nothing."""

    def __init__(self, options: VapOptions, shared: SharedSettings) -> None:
        self._options = options
        self._folder = shared.models_dir / "maai"
        self._fusion = FusionEngine(FusionOptions(), shared)
        self._network: Network | None = None
        self._beside: Beside | None = None
        files = [options.weights, *([options.listener] if options.listener else [])]
        self._models = [Model(file, "MIT") if _MIT in file else Model(file, "not stated", _NOTICE) for file in files]
        models = (*self._models, Model("CPC, 60k hours of Libri-Light", "MIT"), *self._fusion.info.models)
        self.info = replace(self._fusion.info, name="vap", models=models)

    def load(self) -> None:
        """See TurnEngine. Raises Unusable also when there is no such device."""
        device = self._options.device
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise Unusable(
                f"TURN_VAP_DEVICE is {device}, and there is no GPU that torch can use; TURN_VAP_DEVICE=cpu works too",
                reason="no_device",
            )
        torch.set_num_threads(1)
        network = load(self._folder, self._options.weights, self._options.encoder, self._options.listener, device)
        silence = np.zeros(LEAD + network.frame, np.float32)
        network.step(silence, silence, None)
        weights()
        self._fusion.load()
        self._network, self._beside = network, Beside(network)
        for model in self._models:
            if model.notice:
                _log.warning("licence_unknown", model=model.name, detail=model.notice)

    def open(self, config: StreamConfig) -> TurnSession:
        """See TurnEngine."""
        assert self._network is not None, "load comes first"
        assert self._beside is not None
        if not config.bot_rate_hz:
            _log.warning("vap_not_used", detail="the stream says nothing of the persona's audio, and the model hears two sides")
            return self._fusion.open(config)
        segmenter, ear = self._fusion.segmenter(), self._beside.open()
        further = Further(ear.said, lambda: segmenter.end, weights())
        channels = Channels(config.user_rate_hz, config.bot_rate_hz, self._network.frame)
        return VapSession(
            config, segmenter, self._fusion.estimator(further), judge_s=self._fusion.judge_s, channels=channels, ear=ear
        )
